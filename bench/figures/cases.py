"""Sentences about evidence, read from files: one investigation each.

    sentences/<author>/<case>.yaml = evidence, as a model reads it + sentences, each true or not

A sentence that does not hold has at least one figure that the evidence it cites does not say of
its subject; `wrong` is how, `figures` are those figures as they stand in the text.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from foundation.yaml_file import YamlFileError, read_yaml
from tools.world import Window

Wrong = Literal[
    "invented", "rounding", "subject", "statistic", "unit", "direction", "time", "swapped",
    "citation", "arithmetic",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Strict):
    """A window of time."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="until")


class Told(_Strict):
    """One piece of evidence."""

    id: str = Field(pattern=r"^E[1-9]\d*$")
    tool: str
    arguments: dict[str, Any] = {}
    window: Span | None = None
    summary: str
    payload: Any = None

    def evidence(self, at: datetime) -> Evidence:
        """Return it as the bot keeps it."""
        return Evidence(
            EvidenceId(self.id),
            self.tool,
            self.arguments,
            self.summary.rstrip("\n"),
            at,
            window=Window(self.window.start, self.window.end) if self.window else None,
            payload=self.payload,
        )


class Sentence(_Strict):
    """One sentence; `after` stands before it and is true."""

    text: str
    holds: bool
    after: str = ""
    wrong: Wrong | None = None
    figures: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_what_is_wrong(self) -> Self:
        if self.holds != (self.wrong is None and not self.figures):
            raise ValueError(f"{self.text!r}: `wrong` and `figures` go with `holds: false` alone")
        if not self.holds and not self.figures:
            raise ValueError(f"{self.text!r}: which figures are wrong?")
        for figure in self.figures:
            if figure not in self.text:
                raise ValueError(f"{self.text!r} does not hold {figure!r}")
        return self


class Case(_Strict):
    """One investigation: what was found, and sentences about it."""

    case: str
    author: Literal["own", "blind"]
    language: Literal["en", "zh"]
    now: AwareDatetime
    timezone: str = "UTC"
    services: tuple[str, ...]
    question: str
    evidence: tuple[Told, ...]
    sentences: tuple[Sentence, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        ZoneInfo(self.timezone)
        ids = [each.id for each in self.evidence]
        if len(set(ids)) < len(ids):
            raise ValueError("two pieces of evidence with one id")
        return self


def read_cases(folder: Path) -> list[Case]:
    """Return the cases of a folder. Raises YamlFileError and ValueError, naming the file."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        try:
            found.append(Case.model_validate(read_yaml(path).value))
        except (YamlFileError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    return found
