"""Reads playbooks from folders. Every complaint says file:line:column and what to write instead.

Several folders are read in order; an id that stands twice is an error, so that a mounted folder
never changes a shipped playbook silently. A playbook's sha256 is that of its file's bytes.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import yaml
from pydantic import BaseModel, ValidationError

from playbooks import triggers
from playbooks.schema import Action, Parameter, Playbook, Step, Verify

LARGEST_BYTES = 64 * 1024
SHIPPED = Path(__file__).with_name("library")


class PlaybookError(ValueError):
    """A playbook is wrong; the message names file, line and column."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """One playbook and the file it came from."""

    playbook: Playbook
    sha256: str  # of the file's bytes, hex
    path: str


Library = Mapping[str, Loaded]  # by playbook id


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(names[:20])}." if names else ""


class Takes(Protocol):
    """An action, as far as a playbook must know it."""

    @property
    def parameters(self) -> type[BaseModel]: ...


Actions = Mapping[str, Takes] | Iterable[str]  # bare names: their parameters are not checked
Parameters = Mapping[str, Collection[str]]  # action → the names of its parameters
UNCHECKED: Parameters = MappingProxyType({})


def load_library(folders: Sequence[Path], actions: Actions, metrics: Iterable[str] = ()) -> Library:
    """Read every `*.yaml` below the folders, in order of their names."""
    found: dict[str, Loaded] = {}
    known_metrics = frozenset(metrics)
    for folder in folders:
        if not folder.is_dir():
            raise PlaybookError(f"{folder}: there is no such folder")
        for path in sorted(folder.rglob("*.yaml")):
            loaded = load_file(path, actions, known_metrics)
            other = found.get(loaded.playbook.id)
            if other is not None:
                raise PlaybookError(
                    f"{path}:1:1: id {loaded.playbook.id!r} also stands in {other.path}"
                )
            found[loaded.playbook.id] = loaded
    return MappingProxyType(found)


def load_file(path: Path, actions: Actions, metrics: Iterable[str] = ()) -> Loaded:
    """Read one playbook; with `metrics` given, a metric that is not among them is an error."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PlaybookError(f"{path}: cannot be read: {error.strerror or error}") from error
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
    if len(content) > LARGEST_BYTES:
        raise PlaybookError(f"{name}:1:1: larger than {LARGEST_BYTES} bytes")
    try:
        text = content.decode("utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        value = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise PlaybookError(f"{name}:1:1: not UTF-8: {error.reason}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise PlaybookError(f"{name}:{where}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise PlaybookError(f"{name}:1:1: not YAML: {error}") from error
    page = _Page(name, root)
    page.refuse_twins(root)
    if not isinstance(value, dict):
        raise page.error((), f"expected a mapping that begins with 'id:', got {value!r}")
    try:
        playbook = Playbook.model_validate(value)
    except ValidationError as error:
        raise page.complaint(error) from error
    _check_names(page, playbook, actions, metrics)
    _check_parameters(page, playbook, parameters)
    return Loaded(playbook, hashlib.sha256(content).hexdigest(), name)


class _Page:
    """A file that remembers where everything stands."""

    def __init__(self, name: str, root: Any) -> None:
        self._name, self._root = name, root

    def error(self, path: Sequence[str | int], text: str) -> PlaybookError:
        """Return an error at the place a path names, or the nearest place above it."""
        node, mark = self._root, getattr(self._root, "start_mark", None)
        for part in path:
            node, found = _child(node, part)
            if found is None:
                break
            mark = found
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        return PlaybookError(f"{self._name}:{where}: {text}")

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

    def refuse_twins(self, node: Any) -> None:
        """Raise when a key is written twice in one mapping."""
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, child in node.value:
                if key.value in seen:
                    mark = key.start_mark
                    raise PlaybookError(
                        f"{self._name}:{mark.line + 1}:{mark.column + 1}: "
                        f"{key.value!r} is written twice; the first would be lost"
                    )
                seen.add(str(key.value))
                self.refuse_twins(child)
        elif isinstance(node, yaml.SequenceNode):
            for child in node.value:
                self.refuse_twins(child)


def _child(node: Any, part: str | int) -> tuple[Any, Any]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            if key.value == str(part):
                return child, key.start_mark
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark
    return None, None


def _keys(place: Sequence[str | int]) -> tuple[str, ...]:
    above = [part for part in place[:-1] if isinstance(part, str)]
    models: dict[str, type[BaseModel]] = {
        "steps": Step,
        "undo": Action,
        "verify": Verify,
        "parameters": Parameter,
    }
    model = models.get(above[-1], Playbook) if above else Playbook
    if len(above) > 1 and above[-2] == "parameters":
        model = Parameter
    return tuple(model.model_fields)


def _check_parameters(page: _Page, playbook: Playbook, parameters: Parameters) -> None:
    for index, step in enumerate(playbook.steps):
        asked: list[tuple[tuple[str | int, ...], Action]] = [(("steps", index), step)]
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
