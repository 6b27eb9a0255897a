"""What the cycle asks of a detector, and the one that is shipped.

    every cycle, after what is new was read:
    screen(block) ──> rows to look at closely     all series at once; may miss no abnormal one
    judge(observed) ─> verdicts of one service    a few series; runs in a worker process

Another detector (one that calibrates itself, say) fills the same two: it keeps what it needs of a
row in `Block.own`, which is emptied with the row and goes to the disk with it, and brings it up to
date in `screen`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tools.analysis.detect import DetectorSettings, score_service
from tools.analysis.state.block import Block
from tools.analysis.state.classic import screen
from tools.world import Baseline, MetricSpec, Series, Verdict

Observed = tuple[Series, Baseline | None, MetricSpec]


@dataclass(frozen=True, slots=True, eq=False)
class Screening:
    """What is known of a block's rows before anybody looked closely."""

    judged: npt.NDArray[np.bool_]  # read in this cycle, and with a sample
    candidate: npt.NDArray[np.bool_]  # abnormal, or it takes a closer look to say


class Detector(Protocol):
    """Judges series; picklable, because `judge` runs in a worker process."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def needs_mates(self) -> bool:
        """Whether a verdict may hang on the other series of its service."""
        ...

    def screen(self, block: Block) -> Screening:
        """Look at the newest sample of every row that was read; called once a cycle."""
        ...

    def judge(self, observed: Sequence[Observed], asked: int) -> list[Verdict]:
        """Return a verdict of each of the first `asked` series that has a sample.

        All are of one service; the others are its mates.
        """
        ...


@dataclass(frozen=True, slots=True)
class Classic:
    """The user's own: Z-score, MAD and Isolation Forest vote; severity by σ."""

    settings: DetectorSettings = field(default_factory=DetectorSettings)

    @property
    def name(self) -> str:
        """Its name in settings and benches."""
        return "classic"

    @property
    def needs_mates(self) -> bool:
        """A forest stands over all metrics of a service."""
        return "isolation_forest" in self.settings.algorithms

    def screen(self, block: Block) -> Screening:
        """Return who is abnormal, or would be if the forest said so."""
        seen = screen(block, self.settings)
        return Screening(block.watched & (seen.at >= 0), seen.candidate)

    def judge(self, observed: Sequence[Observed], asked: int) -> list[Verdict]:
        """Judge one by one, with votes and explanations."""
        return score_service(observed, self.settings, asked)
