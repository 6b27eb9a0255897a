"""What a bench found: figures of ours beside those of peers, and how they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

Figures = Mapping[str, float]

WIDE = 200  # columns


@dataclass(frozen=True, slots=True)
class Aim:
    """What a figure should be: within bounds, each of which may be absent."""

    least: float | None = None
    most: float | None = None

    @classmethod
    def exactly(cls, value: float) -> Aim:
        """Return an aim that one value alone meets."""
        return cls(value, value)

    def is_met(self, value: float | None) -> bool:
        """Say whether a figure is as it should be; what was not measured is not."""
        if value is None or math.isnan(value):
            return False
        low = self.least is None or value >= self.least
        return low and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        """Return it as people read it."""
        if self.least is not None and self.least == self.most:
            return f"{self.least:g}"
        parts = [("≥", self.least), ("≤", self.most)]
        return " ".join(f"{sign} {value:g}" for sign, value in parts if value is not None)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of one bench."""

    bench: str
    data: str  # what was measured: a folder, or how it was generated
    ours: Figures  # the shipped default configuration
    peers: Mapping[str, Figures]
    aims: Mapping[str, Aim] = field(default_factory=dict)  # figure -> what it should be
    details: Mapping[str, Figures] = field(default_factory=dict)  # row -> figures, for people
    notes: tuple[str, ...] = ()

    @property
    def missed(self) -> tuple[str, ...]:
        """The figures that are not as they should be."""
        return tuple(name for name, aim in self.aims.items() if not aim.is_met(self.ours.get(name)))

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        return {
            "bench": self.bench,
            "data": self.data,
            "ours": dict(self.ours),
            "peers": {name: dict(figures) for name, figures in self.peers.items()},
        }

    def show(self, console: Console) -> None:
        """Print the tables and the notes."""
        if not console.is_terminal:  # a file or a pipe has no edge; 80 columns cut names in two
            console.width = max(console.width, WIDE)
        console.print(f"[bold]{self.bench}[/bold], {self.data}")
        if self.details:
            names = list(dict.fromkeys(name for row in self.details.values() for name in row))
            console.print(_table("", self.details, names))
        # An aim whose figure was never measured is missed, and must be seen to be.
        named = [*self.ours, *(k for p in self.peers.values() for k in p), *self.aims]
        figures = list(dict.fromkeys(named))
        columns = {"ours": self.ours, **self.peers}
        summary = Table()
        summary.add_column("", overflow="fold")
        for name in columns:
            summary.add_column(name, justify="right")
        summary.add_column("aim", justify="right")
        for figure in figures:
            cells = [_number(column.get(figure)) for column in columns.values()]
            aim = self.aims.get(figure)
            word = "" if aim is None else f"{aim} {'missed' if figure in self.missed else 'met'}"
            summary.add_row(figure, *cells, word)
        console.print(summary)
        for note in self.notes:
            console.print(note)


def _table(corner: str, rows: Mapping[str, Figures], names: list[str]) -> Table:
    table = Table()
    table.add_column(corner, overflow="fold")
    for name in names:
        table.add_column(name, justify="right")
    for row, figures in rows.items():
        table.add_row(row, *(_number(figures.get(name)) for name in names))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
