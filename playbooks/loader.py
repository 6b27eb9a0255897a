"""Reads playbooks from folders. Every complaint says file:line:column and what to write instead.

Several folders are read in order; an id that stands twice is an error of the later file, so that a
mounted folder never changes a shipped playbook silently. One bad file keeps none of the others from
being read. A playbook's sha256 is that of its file's bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from foundation.capped_file import UnreadableFileError, read_capped
from foundation.nearest import nearest
from foundation.yaml_file import PathInFile, YamlFile, YamlFileError, YamlLimits, parse_yaml
from playbooks import triggers
from playbooks.roles import roles_in, without
from playbooks.schema import Parameter, Playbook, PlaybookAction, PlaybookStep, Verify

LIMITS = YamlLimits(bytes=64 * 1024)  # it is stored beside its plan, and a person reads it


class PlaybookError(ValueError):
    """A playbook is wrong; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One playbook and the file it came from."""

    playbook: Playbook
    sha256: str  # of the file's bytes, hex
    path: str


Library = Mapping[str, Loaded]  # by playbook id


@dataclass(frozen=True, slots=True)
class LibraryRead:
    """What stands in the folders: the good playbooks, and why the others are none."""

    library: Library
    refused: Mapping[str, str]  # path → file:line:column and what is wrong
    lacking: Mapping[str, str] = field(default_factory=dict)  # id → metrics the catalogue has not


class Takes(Protocol):
    """An action, as far as a playbook must know it."""

    @property
    def parameters(self) -> type[BaseModel]: ...


Actions = Mapping[str, Takes] | Iterable[str]  # bare names: their parameters are not checked
Parameters = Mapping[str, Collection[str]]  # action → the names of its parameters
UNCHECKED: Parameters = MappingProxyType({})


def load_library(folders: Sequence[Path], actions: Actions, metrics: Iterable[str] = ()) -> Library:
    """Read every `*.yaml` below the folders; a wrong one, or an unknown metric, is an error."""
    library = _read(folders, actions, frozenset(metrics), strict=True)
    for complaint in library.refused.values():
        raise PlaybookError(complaint)
    return library.library


def read_library(
    folders: Sequence[Path], actions: Actions, metrics: Iterable[str] | None = None
) -> LibraryRead:
    """Read every `*.yaml` below the folders, in order of their names, and name what is wrong.

    With `metrics` given, what asks for others is left out, and a playbook that cannot do without.
    Raises PlaybookError for a folder that is not there.
    """
    known = frozenset(metrics) if metrics is not None else frozenset()
    read = _read(folders, actions, known, strict=False)
    if metrics is None:
        return read
    found, lacking = dict(read.library), {}
    for name, loaded in read.library.items():
        missing = asked_by(loaded.playbook) - known
        if missing:
            lacking[name] = ", ".join(sorted(missing))
            del found[name]
            if (fitted := _without(loaded.playbook, missing)) is not None:
                found[name] = replace(loaded, playbook=fitted)
    return LibraryRead(MappingProxyType(found), read.refused, MappingProxyType(lacking))


def _read(
    folders: Sequence[Path], actions: Actions, metrics: frozenset[str], *, strict: bool
) -> LibraryRead:
    found: dict[str, Loaded] = {}
    refused: dict[str, str] = {}
    for folder in folders:
        if not folder.is_dir():
            raise PlaybookError(f"{folder}: there is no such folder")
        for path in sorted(folder.rglob("*.yaml")):
            try:
                loaded = load_file(path, actions, metrics, strict=strict)
                name = loaded.playbook.id
                if name in found:
                    other = found[name].path
                    raise PlaybookError(f"{path}:1:1: id {name!r} also stands in {other}")
            except PlaybookError as error:
                refused[str(path)] = str(error)
            else:
                found[name] = loaded
    return LibraryRead(MappingProxyType(found), MappingProxyType(refused))


def asked_by(playbook: Playbook) -> frozenset[str]:
    """Return every metric and role that a playbook's expressions ask for."""
    texts = (
        *playbook.trigger_conditions,
        *playbook.preconditions,
        *(each.expression for each in playbook.verify),
    )
    return frozenset().union(*(triggers.parse(text).metrics() for text in texts))


def _without(playbook: Playbook, lacking: frozenset[str]) -> Playbook | None:
    """Return a playbook that asks for nothing that is lacking; None: it cannot serve without."""
    conditions = (without(text, lacking) for text in playbook.trigger_conditions)
    left = tuple(text for text in conditions if text is not None)
    asked = frozenset().union(*(triggers.parse(text).metrics() for text in playbook.preconditions))
    if not left or asked & lacking:
        return None
    judged = tuple(
        each.model_copy(update={"expression": text})
        for each in playbook.verify
        if (text := without(each.expression, lacking)) is not None
    )
    return playbook.model_copy(update={"trigger_conditions": left, "verify": judged})


def load_file(
    path: Path, actions: Actions, metrics: Iterable[str] = (), *, strict: bool = True
) -> Loaded:
    """Read one playbook; with `metrics` given and `strict`, another metric is an error."""
    try:
        content = read_capped(path, LIMITS.bytes)
    except UnreadableFileError as error:
        raise PlaybookError(str(error)) from error
    taken = {}
    if isinstance(actions, Mapping):
        taken = {name: frozenset(each.parameters.model_fields) for name, each in actions.items()}
    return parse(content, str(path), frozenset(actions), frozenset(metrics), taken, strict=strict)


def parse(
    content: bytes,
    name: str,
    actions: frozenset[str],
    metrics: frozenset[str] = frozenset(),
    parameters: Parameters = UNCHECKED,
    *,
    strict: bool = True,
) -> Loaded:
    """Read one playbook from bytes; `name` is what complaints call the file."""
    try:
        file = parse_yaml(content, name, limits=LIMITS)
    except YamlFileError as error:
        raise PlaybookError(str(error)) from error
    page = _Page(file)
    if not isinstance(file.value, dict):
        raise page.error((), f"expected a mapping that begins with 'id:', got {file.value!r}")
    try:
        playbook = Playbook.model_validate(_with_defaults_as_written(file))
    except ValidationError as error:
        raise page.complaint(error) from error
    _check_actions(page, playbook, actions)
    if metrics:
        _check_metrics(page, playbook, metrics, strict=strict)
    _check_parameters(page, playbook, parameters)
    return Loaded(playbook, hashlib.sha256(content).hexdigest(), name)


def _with_defaults_as_written(file: YamlFile) -> dict[str, Any]:
    """Return the values, a parameter's default as its text: `1.10` is a version and not 1.1."""
    values: dict[str, Any] = dict(file.value)
    parameters = values.get("parameters")
    if not isinstance(parameters, dict):
        return values
    values["parameters"] = dict(parameters)
    for name, each in parameters.items():
        if isinstance(each, dict) and isinstance(each.get("default"), int | float):
            written = file.written(("parameters", name, "default"))
            values["parameters"][name] = {**each, "default": written}
    return values


class _Page:
    """A playbook's file and its complaints."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file

    def error(self, path: PathInFile, text: str) -> PlaybookError:
        """Return an error at the place a path names, or the nearest place above it."""
        return PlaybookError(f"{self._file.where(path)}: {text}")

    def complaint(self, error: ValidationError) -> PlaybookError:
        """Return the first complaint of pydantic at its place."""
        first = error.errors(include_url=False)[0]
        place = tuple(part for part in first["loc"] if part != "[key]")
        named = [part for part in place if isinstance(part, str)]  # an index tells nobody much
        name = named[-1] if named else "playbook"
        if first["type"] == "extra_forbidden":
            return self.error(place, f"unknown key {name!r}.{nearest(name, _keys(place))}")
        if first["type"] == "missing":
            return self.error(place[:-1], f"{name!r} is missing")
        message = first["msg"].removeprefix("Value error, ")
        shown = f" {first['input']!r}" if isinstance(first["input"], str | int | float) else ""
        return self.error(place, f"{name}{shown}: {message}")


def _keys(place: PathInFile) -> tuple[str, ...]:
    above = [part for part in place[:-1] if isinstance(part, str)]
    models: dict[str, type[BaseModel]] = {
        "steps": PlaybookStep,
        "undo": PlaybookAction,
        "verify": Verify,
        "parameters": Parameter,
    }
    model = models.get(above[-1], Playbook) if above else Playbook
    if len(above) > 1 and above[-2] == "parameters":
        model = Parameter
    return tuple(model.model_fields)


def _check_parameters(page: _Page, playbook: Playbook, parameters: Parameters) -> None:
    for index, step in enumerate(playbook.steps):
        asked: list[tuple[tuple[str | int, ...], PlaybookAction]] = [(("steps", index), step)]
        if step.undo is not None:
            asked.append((("steps", index, "undo"), step.undo))
        for place, action in asked:
            known = parameters.get(action.action)
            if known is None:
                continue
            for name in action.parameters:
                if name not in known:
                    raise page.error(
                        (*place, "parameters", name),
                        f"{action.action} takes no parameter {name!r}.{nearest(name, known)}",
                    )


def _check_actions(page: _Page, playbook: Playbook, actions: frozenset[str]) -> None:
    for index, step in enumerate(playbook.steps):
        for place, name in (
            (("steps", index, "action"), step.action),
            (("steps", index, "undo", "action"), step.undo.action if step.undo else ""),
        ):
            if name and name not in actions:
                raise page.error(place, f"there is no action {name!r}.{nearest(name, actions)}")


def _check_metrics(
    page: _Page, playbook: Playbook, metrics: frozenset[str], *, strict: bool
) -> None:
    """Refuse a metric that only stands there, and in `strict` one that is none.

    A role that no metric plays is never wrong: the next catalogue may have one.
    """
    places: list[tuple[tuple[str | int, ...], str]] = [
        *(
            ((key, i), text)
            for key in ("trigger_conditions", "preconditions")
            for i, text in enumerate(getattr(playbook, key))
        ),
        *((("verify", i, "expression"), each.expression) for i, each in enumerate(playbook.verify)),
    ]
    for where, text in places:
        expression = triggers.parse(text)
        unknown = expression.metrics() - metrics - roles_in(expression) if strict else ()
        for metric in sorted(unknown):
            raise page.error(where, f"there is no metric {metric!r}.{nearest(metric, metrics)}")
        for name in sorted(expression.names() & metrics):
            raise page.error(where, f"metric {name!r} needs a comparison, such as {name} > 0.9")
