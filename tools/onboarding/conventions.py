"""Conventions as data: how an exporter or a library is recognised, and what is asked of it.

    library/*.yaml, an entry each:
      postgres:
        title: PostgreSQL (postgres_exporter)
        signs: [pg_up, pg_stat_database_xact_commit]   one of these names, and it is this convention
        owns: [pg_]                                    prefixes that are no unknown metrics any more
        subject: target                                whom its series tell of
        metrics: {name: {role, resource, query, …}}    asked as they stand
        requests: [{family: [http_requests], …}]       RED, built from whatever the family has

In a query `$subject` is the label that names the service, `$window` the range of rates, and
`$of(…)` gives an expression that label where a platform spreads it over several. Of a list of
queries the first that has data is taken. To teach a convention, add a file: docs/init.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from foundation.yaml_file import YamlFileError, read_yaml
from tools.errors import BadArgumentError
from tools.world import Direction, MetricRole

LIBRARY = Path(__file__).parent / "library"


class ConventionError(BadArgumentError):
    """A file of conventions is wrong; the message names file and line."""


class Whom(StrEnum):
    """Whom the series of a convention tell of."""

    SERVICE = "service"  # what the platform's labels say
    TARGET = "target"  # each thing that is scraped: a machine, a database, a watched address
    POD = "pod"  # the workload of the pod that a label names
    LABEL = "label"  # what one of `labels` says


class Tells(StrEnum):
    """What it means that a convention has series of a name."""

    SERVICE = "service"  # somebody's service, or a store one calls
    MACHINE = "machine"  # a machine that services run on
    RUNNING = "running"  # no more than that something runs: anything that is scraped


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Alternative(_Row):
    """Another query of a metric, and what is otherwise then."""

    query: str
    unit: str = ""
    description: str = ""
    limit: float | None = None


class AskedMetric(_Row):
    """One metric of a convention."""

    role: MetricRole
    query: tuple[str | Alternative, ...]  # the first that has data
    unit: str
    description: str
    resource: str = ""
    bad_direction: Direction | None = None
    limit: float | None = None  # while there is too little history, in `unit`

    @field_validator("query", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value


class Requests(_Row):
    """A family that counts and times requests."""

    family: tuple[str, ...]
    name: str = "requests"  # of the metrics: <name>_latency_p99, <name>_errors, <name>_rate
    what: str = "requests"  # in descriptions
    where: str = ""  # matchers that always hold, such as the server's side of a mesh
    failed: str = ""  # matchers of failures; empty: told by the labels
    unit: str = ""  # of durations, where neither metadata nor name say
    limit: float | None = None  # of the latency, in its unit


class Convention(_Row):
    """One exporter or library."""

    title: str
    signs: tuple[str, ...] = Field(min_length=1)  # names; a * at the end stands for any rest
    owns: tuple[str, ...] = ()
    subject: Whom = Whom.SERVICE
    labels: tuple[str, ...] = ()  # of `subject: label`, the best first
    metrics: Mapping[str, AskedMetric] = Field(default_factory=dict)
    requests: tuple[Requests, ...] = ()
    tells: Tells = Tells.SERVICE
    quiet: bool = False  # it is known, and there is nothing to watch in it

    def sign_in(self, names: Sequence[str]) -> str:
        """Return the first name that shows the convention; empty when none does."""
        for sign in self.signs:
            if sign.endswith("*"):
                hit = next((name for name in names if name.startswith(sign[:-1])), "")
            else:
                hit = sign if sign in names else ""
            if hit:
                return hit
        return ""

    def owns_name(self, name: str) -> bool:
        """Say whether a family is the convention's, so that it is no unknown one."""
        return name.startswith(self.owns) or any(name in each.family for each in self.requests)


Conventions = Mapping[str, Convention]


@cache
def load_conventions(folder: Path = LIBRARY) -> Conventions:
    """Read every file of a folder. Raises ConventionError."""
    found: dict[str, Convention] = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            file = read_yaml(path)
        except YamlFileError as error:
            raise ConventionError(str(error)) from error
        for name, raw in (file.value or {}).items():
            if name in found:
                raise ConventionError(f"{file.where((name,))}: {name!r} stands in two files")
            try:
                found[name] = Convention.model_validate(raw)
            except ValidationError as error:
                first = error.errors(include_url=False)[0]
                place = file.where((name, *first["loc"]))
                raise ConventionError(f"{place}: {first['msg']}") from error
    return found


_OF = re.compile(r"\$of\(")


def written(query: str, *, subject: str, window: str, named: Any) -> str:
    """Return a query with its placeholders filled; `named` gives an expression the subject."""
    text = " ".join(query.split())
    while (hit := _OF.search(text)) is not None:
        end = _closing(text, hit.end())
        inside = text[hit.end() : end]
        text = text[: hit.start()] + named(inside) + text[end + 1 :]
    return text.replace("$subject", subject).replace("$window", window)


def _closing(text: str, start: int) -> int:
    """Return where the bracket closes that opened before `start`; quotes hide brackets."""
    depth, quoted = 1, ""
    for index in range(start, len(text)):
        char = text[index]
        if quoted:
            quoted = "" if char == quoted and text[index - 1] != "\\" else quoted
        elif char in "\"'":
            quoted = char
        elif char in "()":
            depth += 1 if char == "(" else -1
            if depth == 0:
                return index
    raise ConventionError(f"$of( is not closed in {text!r}")
