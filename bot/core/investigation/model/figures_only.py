"""A tool's result cut down to what a model may read of it, member by member.

    payload ──each member belongs to somebody──> all: as it is
                                                 figures: numbers, times, names, states; no texts
                                                 nothing: left out

This is an allow-list: a text stays because its key is known to hold a name or a state *and* it
looks like one, or because it reads as a figure or a time. A key or a shape that nobody thought of
here loses its text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from bot.core.investigation.model.limits import UNPLACED, Limits, Services, strictest
from foundation.encodings import writable
from tools.world import ModelData

NAMES = frozenset(
    {
        "metric", "unit", "service", "services", "who", "namespace", "cluster", "place", "team",
        "object", "workload", "workloads", "name", "image", "node", "client", "server", "calls",
        "called_by", "root_service", "id", "trace_id", "span_id", "parent", "evidence", "plan_id",
        "playbook_id", "refused_by", "labels",
    }
)  # fmt: skip
STATES = frozenset(
    {
        "level", "type", "kind", "phase", "reason", "severity", "method", "algorithm", "mode",
        "source", "tier", "bad_direction", "category", "calibrated_on",
    }
)  # fmt: skip
TEXTS = frozenset(  # never read as a figure: a log line may be nothing but a card's number
    {"text", "message", "summary", "title", "snippet", "template", "sample", "note", "notes"}
)
KEYED_BY_NAME = frozenset({"by_service", "nodes"})
KEYED_BY_STATE = frozenset({"by_level"})
NAMING_LABELS = frozenset(
    {
        "namespace", "cluster", "pod", "container", "deployment", "statefulset", "daemonset",
        "node", "instance", "job", "le", "quantile", "status", "code", "method", "__name__",
    }
)  # fmt: skip
_NAME = re2.compile(r"[A-Za-z0-9_][\w.:/@+-]{0,252}")
_STATE = re2.compile(r"[A-Za-z][A-Za-z_-]{0,47}")
_KEY = re2.compile(r"[A-Za-z_]\w{0,47}")
_TIME = re2.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:\d\d)?)?"
)
_FIGURE = re2.compile(r"[×+−~-]?\d[\d.,]{0,30}(?:e[+-]?\d{1,3})?[ ]?(.{0,20})")
_UNITS = frozenset(
    ["", "%", "ms", "s", "m", "σ", "B", "KiB", "MiB", "GiB", "TiB", "Ki", "Mi", "Gi", "k", "M", "G"]
)
_LEFT_OUT = object()


@dataclass
class Reduced:
    """What is left of a result; `kept` names whose data was held back, with their settings."""

    value: Any
    level: ModelData  # of the result as a whole: `all` where nothing had to be held back
    kept: dict[str, ModelData] = field(default_factory=dict)


def reduced(payload: Any, limits: Limits, asked: ModelData | None, named: str = "") -> Reduced:
    """Cut a result down. `asked` is what the service allows that was asked about, if one was.

    What stands beside the items (counts, totals) counts as all of them together, and as nobody's
    where one of them is nobody's. `named` is the key that names the service of an item.
    """
    level = limits.unplaced if asked is None else asked
    cut = _Cut(limits, named)
    value = cut.member("", payload, level, owned=False)
    if asked is None and cut.seen and not cut.unplaced:
        level = strictest(cut.seen)
        cut = _Cut(limits, named)
        value = cut.member("", payload, level, owned=False)
    elif asked is None and level is not ModelData.ALL:
        cut.kept[UNPLACED] = level
    whole = strictest([level, *cut.seen])
    return Reduced(None if value is _LEFT_OUT else value, whole, cut.kept)


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose a member is: services that we know, or somebody we cannot place."""

    services: Services
    unplaced: bool


class _Cut:
    """One way through a payload."""

    def __init__(self, limits: Limits, named: str) -> None:
        self._limits, self._named = limits, named
        self.seen: set[ModelData] = set()  # of the members that are somebody's
        self.unplaced = False  # whether an item is nobody's
        self.kept: dict[str, ModelData] = {}

    def member(self, key: str, value: Any, level: ModelData, *, owned: bool) -> Any:
        """Return what may be read of a member, `_LEFT_OUT` for nothing."""
        if isinstance(value, Mapping):
            return self._mapping(key, value, level, owned=owned)
        if isinstance(value, list | tuple):
            return self._list(key, value, level, owned=owned)
        if level is ModelData.ALL or value is None:
            return value
        readable = level is ModelData.FIGURES and _is_readable(key, value, self._limits)
        return value if readable else _LEFT_OUT

    def _mapping(self, key: str, value: Mapping[str, Any], level: ModelData, *, owned: bool) -> Any:
        owner = self._owner(value)
        if owner is not None:
            own = self._level(owner)
            level = strictest([level, own]) if owned else own
            owned = True
            self.seen.add(level)
            self._note(owner, level)
        if owned and level is ModelData.NOTHING:
            return _LEFT_OUT
        found = {}
        for name, each in value.items():
            if self._is_key(key, name, level):
                inner = key if key == "labels" else name
                left = self.member(inner, each, level, owned=owned)
                hollow = level is ModelData.NOTHING and left in ({}, [])
                if left is not _LEFT_OUT and not hollow:
                    found[name] = left
        return found

    def _list(
        self, key: str, value: list[Any] | tuple[Any, ...], level: ModelData, *, owned: bool
    ) -> Any:
        if key == "points" and level is not ModelData.NOTHING and _are_points(value):
            return value
        found = []
        for each in value:
            if not owned and isinstance(each, Mapping) and self._owner(each) is None:
                self.unplaced = True
            left = self.member(key, each, level, owned=owned)
            if left is not _LEFT_OUT and left not in ({}, []):
                found.append(left)
        return found

    def _is_key(self, above: str, name: str, level: ModelData) -> bool:
        """Say whether a member's name may be read: most are ours, some are somebody's."""
        name = writable(name)
        if above in KEYED_BY_NAME:
            closed = self._limits.of_service(name) is ModelData.NOTHING
            return not closed and bool(_NAME.fullmatch(name))
        if level is ModelData.ALL:
            return True
        if above in KEYED_BY_STATE:
            return bool(_STATE.fullmatch(name))
        if above == "labels":
            return name in NAMING_LABELS or name in self._limits.naming
        return bool(_KEY.fullmatch(name))

    # ------------------------------------------------------------------ whose is it

    def _owner(self, value: Mapping[str, Any]) -> _Owner | None:
        """Return whose a member is; None where it names nobody.

        A name nobody knows is somebody's all the same. What stands beside a name (labels, an
        object) can make it stricter, not laxer.
        """
        limits, found, unplaced = self._limits, list[Services](), False
        for name in self._names(value):
            services = limits.named(name, str(value.get("cluster") or ""))
            found.append(services)
            unplaced = unplaced or not services
        labels = value.get("labels")
        if isinstance(labels, Mapping):
            found.append(limits.labelled(labels))
        for each in _objects(value):
            found.append(limits.owning(each))
            unplaced = unplaced or _is_nobodys(each)
        services = tuple({spec.name: spec for each in found for spec in each}.values())
        return _Owner(services, unplaced) if services or unplaced else None

    def _names(self, value: Mapping[str, Any]) -> Iterator[str]:
        for key in ("service", "root_service", "client", "server", self._named):
            name = value.get(key)
            if isinstance(name, str) and name.strip():
                yield name
        several = value.get("services")
        if isinstance(several, list | tuple) and all(isinstance(each, str) for each in several):
            yield from several

    def _level(self, owner: _Owner) -> ModelData:
        levels = [spec.model_data for spec in owner.services]
        return strictest([*levels, *([self._limits.unplaced] if owner.unplaced else [])])

    def _note(self, owner: _Owner, level: ModelData) -> None:
        if level is ModelData.ALL:
            return
        if owner.unplaced:
            self.kept[UNPLACED] = self._limits.unplaced
        for spec in owner.services:
            if spec.model_data is not ModelData.ALL:
                self.kept[spec.name] = spec.model_data


def _objects(value: Mapping[str, Any]) -> Iterator[str]:
    for key in ("object", "workload"):
        if isinstance(value.get(key), str) and value[key]:
            yield value[key]


def _is_nobodys(told: str) -> bool:
    """Say whether an object stands in no namespace: what is said of a node may be about anybody."""
    return told.rpartition(":")[2].startswith("/")


def _are_points(value: list[Any] | tuple[Any, ...]) -> bool:
    """Say whether these are samples: times and numbers, of which there may be very many."""
    return all(
        isinstance(pair, list | tuple)
        and all(member is None or isinstance(member, int | float) for member in pair)
        for pair in value
    )


def _is_readable(key: str, value: Any, limits: Limits) -> bool:
    """Say whether a value is a number, a time, a figure, a name or a state."""
    if isinstance(value, bool | int | float):
        return True
    text = writable(str(value))
    if key in NAMES:
        return bool(_NAME.fullmatch(text))
    if key in STATES and _STATE.fullmatch(text):
        return True
    if key in TEXTS:
        return False
    figure = _FIGURE.fullmatch(text)
    is_figure = figure is not None and figure[1].strip() in _UNITS | limits.units
    return is_figure or bool(_TIME.fullmatch(text))
