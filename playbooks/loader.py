"""Reads playbooks from folders. Every complaint says file:line:column and what to write instead.

Several folders are read in order; an id that stands twice is an error of the later file, so that a
mounted folder never changes a shipped playbook silently. One bad file keeps none of the others from
being read. A playbook's sha256 is that of its file's bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError

from foundation.capped_file import UnreadableFileError, read_capped
from foundation.nearest import nearest
from foundation.yaml_file import PathInFile, YamlFile, YamlFileError, YamlLimits, parse_yaml
from playbooks import triggers
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


class Takes(Protocol):
    """An action, as far as a playbook must know it."""

    @property
    def parameters(self) -> type[BaseModel]: ...


Actions = Mapping[str, Takes] | Iterable[str]  # bare names: their parameters are not checked
Parameters = Mapping[str, Collection[str]]  # action → the names of its parameters
UNCHECKED: Parameters = MappingProxyType({})


def load_library(folders: Sequence[Path], actions: Actions, metrics: Iterable[str] = ()) -> Library:
    """Read every `*.yaml` below the folders; one that is wrong is an error."""
    read = read_library(folders, actions, metrics)
    for complaint in read.refused.values():
        raise PlaybookError(complaint)
    return read.library


def read_library(
    folders: Sequence[Path], actions: Actions, metrics: Iterable[str] = ()
) -> LibraryRead:
    """Read every `*.yaml` below the folders, in order of their names, and name what is wrong.

    Raises PlaybookError for a folder that is not there.
    """
    found: dict[str, Loaded] = {}
    refused: dict[str, str] = {}
    known_metrics = frozenset(metrics)
    for folder in folders:
        if not folder.is_dir():
            raise PlaybookError(f"{folder}: there is no such folder")
        for path in sorted(folder.rglob("*.yaml")):
            try:
                loaded = load_file(path, actions, known_metrics)
                name = loaded.playbook.id
                if name in found:
                    other = found[name].path
                    raise PlaybookError(f"{path}:1:1: id {name!r} also stands in {other}")
            except PlaybookError as error:
                refused[str(path)] = str(error)
            else:
                found[name] = loaded
    return LibraryRead(MappingProxyType(found), MappingProxyType(refused))


def load_file(path: Path, actions: Actions, metrics: Iterable[str] = ()) -> Loaded:
    """Read one playbook; with `metrics` given, a metric that is not among them is an error."""
    try:
        content = read_capped(path, LIMITS.bytes)
    except UnreadableFileError as error:
        raise PlaybookError(str(error)) from error
    taken = {}
    if isinstance(actions, Mapping):
        taken = {name: frozenset(each.parameters.model_fields) for name, each in actions.items()}
    return parse(content, str(path), frozenset(actions), frozenset(metrics), taken)


def parse(
    content: bytes,
    name: str,
    actions: frozenset[str],
    metrics: frozenset[str] = frozenset(),
    parameters: Parameters = UNCHECKED,
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
    _check_names(page, playbook, actions, metrics)
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


def _check_names(
    page: _Page, playbook: Playbook, actions: frozenset[str], metrics: frozenset[str]
) -> None:
    for index, step in enumerate(playbook.steps):
        for place, name in (
            (("steps", index, "action"), step.action),
            (("steps", index, "undo", "action"), step.undo.action if step.undo else ""),
        ):
            if name and name not in actions:
                raise page.error(place, f"there is no action {name!r}.{nearest(name, actions)}")
    if not metrics:
        return
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
        for metric in sorted(expression.metrics() - metrics):
            raise page.error(where, f"there is no metric {metric!r}.{nearest(metric, metrics)}")
        for name in sorted(expression.names() & metrics):
            raise page.error(where, f"metric {name!r} needs a comparison, such as {name} > 0.9")
