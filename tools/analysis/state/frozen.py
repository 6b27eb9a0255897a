"""A table as plain arrays, for the disk, and back.

    freeze_points    keys, sources, the kept columns            every few minutes
    freeze_profiles  keys, profiles, spreads                    when something was learned
    thaw             both ─> a table; whatever does not fit what is watched today is left out

Nothing but numbers and JSON: reading a snapshot runs no code of it. A foreign or older one is
refused by `VERSION`, and then everything is read and learned again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.analysis.baseline import PER_DAY, PER_WEEK
from tools.analysis.state.recent import SlotGrid
from tools.analysis.state.table import Row, SeriesTable, Source
from tools.errors import BadArgumentError
from tools.world import MetricName, MetricSpec

Arrays = Mapping[str, npt.NDArray[Any]]
VERSION = 1


def freeze_points(table: SeriesTable) -> dict[str, npt.NDArray[Any]]:
    """Return copies of everything but what was learned."""
    rows = sorted(table.keys)
    numbers = {reach.number: place for place, reach in enumerate(table.sources.values())}
    index: dict[str, Any] = {
        "version": VERSION,
        "step": table.grid.step_seconds,
        "phase": table.grid.phase_seconds,
        "kept": table.grid.kept,
        "newest": table.newest,
        "sources": [
            [source.instance, source.metric, reach.spec.query, reach.read_to]
            for source, reach in table.sources.items()
        ],
    }
    points = np.empty((len(rows), table.grid.kept))
    source = np.empty(len(rows), dtype=np.int32)
    seen = np.empty(len(rows), dtype=np.int64)
    own: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for number, within in table.place(rows).items():
        block, part = table.blocks[number], np.s_[at : at + within.size]
        points[part] = block.recent.window[within]
        source[part] = [numbers[each] for each in block.source[within].tolist()]
        seen[part] = block.seen[within]
        for name, kept in block.own.items():
            size = (len(rows), *kept.shape[1:])
            own.setdefault(f"own.{name}", np.zeros(size, kept.dtype))[part] = kept[within]
        at += within.size
    return {
        "index": _json(index),
        "labels": _json([table.keys[row][1] for row in rows]),
        "points": points,
        "source": source,
        "seen": seen,
        **own,
    }


def freeze_profiles(table: SeriesTable, revision: int) -> dict[str, npt.NDArray[Any]]:
    """Return copies of what was learned; `revision` says of which state of the store."""
    learned = [row for row in sorted(table.keys) if _is_learned(table, row)]
    profile = np.zeros((len(learned), PER_WEEK), dtype=np.float32)
    spread = np.zeros((len(learned), PER_DAY), dtype=np.float32)
    season = np.zeros(len(learned), dtype=np.int16)
    at = 0
    for number, within in table.place(learned).items():
        known, part = table.blocks[number].profiles, np.s_[at : at + within.size]
        profile[part], spread[part] = known.profile[within], known.spread[within]
        season[part] = known.season[within]
        at += within.size
    odd = any(block.profiles.odd for block in table.blocks)  # those are in the store alone
    return {
        "index": _json({"version": VERSION, "revision": 0 if odd else revision}),
        "keys": _json([table.keys[row] for row in learned]),
        "profile": profile,
        "spread": spread,
        "season": season,
    }


def _is_learned(table: SeriesTable, row: Row) -> bool:
    number, within = divmod(row, table.block_size)
    return (
        int(table.blocks[number].profiles.season[within]) > 1
    )  # what does not fit is in the store


def thaw_points(arrays: Arrays, specs: Mapping[MetricName, MetricSpec]) -> SeriesTable:
    """Return the table; metrics that are gone or asked otherwise today are left out.

    Raises BadArgumentError for arrays of another version or another shape.
    """
    index = _read(arrays, "index")
    grid = SlotGrid(float(index["step"]), float(index["phase"]), int(index["kept"]))
    labels = _read(arrays, "labels")
    points, numbers, seen = arrays["points"], arrays["source"].tolist(), arrays["seen"]
    if points.shape != (len(labels), grid.kept) or len(numbers) != len(labels):
        raise BadArgumentError(f"{len(labels)} series but points of shape {points.shape}")
    table = SeriesTable(grid, int(index["newest"]))
    taken: dict[int, Source] = {}
    for place, (instance, metric, query, read_to) in enumerate(index["sources"]):
        spec = specs.get(MetricName(metric))
        if spec is not None and spec.query == query:
            taken[place] = Source(instance, MetricName(metric))
            table.reach(taken[place], spec).read_to = read_to
    rows, chosen = [], []
    for place, (number, pairs) in enumerate(zip(numbers, labels, strict=True)):
        if number in taken:
            key = (taken[number].metric, tuple((str(k), str(v)) for k, v in pairs))
            rows.append(table.restore(key, taken[number]))
            chosen.append(place)
    source_rows = np.array(chosen, dtype=np.int64)
    own = {name.partition(".")[2]: each for name, each in arrays.items() if name.startswith("own.")}
    at = 0
    for block_number, within in table.place(rows).items():
        block, part = table.blocks[block_number], source_rows[at : at + within.size]
        block.recent.window[within] = points[part]
        block.seen[within] = seen[part]
        for name, kept in own.items():
            size = (table.block_size, *kept.shape[1:])
            block.own.setdefault(name, np.zeros(size, kept.dtype))[within] = kept[part]
        at += within.size
    return table


def thaw_profiles(arrays: Arrays, table: SeriesTable) -> int:
    """Put what was learned back; return the revision of the store it is of.

    Raises BadArgumentError for arrays of another version or another shape.
    """
    index, keys = _read(arrays, "index"), _read(arrays, "keys")
    profile, spread, season = arrays["profile"], arrays["spread"], arrays["season"]
    shapes = (profile.shape, spread.shape, season.shape)
    if shapes != ((len(keys), PER_WEEK), (len(keys), PER_DAY), (len(keys),)):
        raise BadArgumentError(f"{len(keys)} baselines but profiles of shapes {shapes}")
    for place, (metric, pairs) in enumerate(keys):
        row = table.rows.get((metric, tuple((str(k), str(v)) for k, v in pairs)))
        if row is None:
            continue
        number, within = divmod(row, table.block_size)
        known = table.blocks[number].profiles
        known.profile[within], known.spread[within] = profile[place], spread[place]
        known.season[within] = season[place]
    return int(index["revision"])


def _json(value: object) -> npt.NDArray[np.uint8]:
    return np.frombuffer(json.dumps(value).encode(), dtype=np.uint8)


def _read(arrays: Arrays, name: str) -> Any:
    value = json.loads(arrays[name].tobytes())
    if name == "index" and value.get("version") != VERSION:
        raise BadArgumentError(f"version {value.get('version')!r}, not {VERSION}")
    return value
