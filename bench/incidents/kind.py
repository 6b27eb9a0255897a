"""What a kind of fault is, and how a folder of them is read.

A file of `kinds/` (or of another folder, `--kinds DIR`) holds one: a module with a docstring that
says what changes, and `KIND = Kind(...)`. It names the mechanism classes of `classes.py` that are
right, where it can be, and `strike`: the figures that change. Symptoms follow; nobody writes them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.incidents.graph import Random
from bench.incidents.stage import Stage, Strike

HERE = Path(__file__).parent
OPEN, SEALED = HERE / "kinds", HERE / "sealed"
WRITERS = frozenset({"objects", "logs", "metrics", "statements", "changes"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    `places` says where it can be on a stage (numbers of parts, links or machines, as `strike` takes
    them); `writers` who tells of it at all: where none of them is seen, it cannot be identified.
    `age_minutes` is how long it needs to hurt.
    """

    name: str
    mechanisms: tuple[str, ...]  # classes; any of them is right
    places: Callable[[Stage], Sequence[int]]
    strike: Callable[[Stage, int, float, Random], Strike]
    writers: frozenset[str]
    age_minutes: tuple[float, float] = (6.0, 60.0)
    heals: bool = True  # whether it is over when its figures are as before


def read_kinds(folder: Path = OPEN) -> tuple[Kind, ...]:
    """Return the kinds of a folder, by name. Raises ValueError for a file that holds none."""
    found = []
    for path in sorted(folder.glob("*.py")):
        if path.stem.startswith("_"):
            continue
        spec = importlib.util.spec_from_file_location(f"{folder.name}_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise ValueError(f"{path} cannot be read as a module")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        kind = getattr(module, "KIND", None)
        if not isinstance(kind, Kind):
            raise ValueError(f"{path} has no KIND = Kind(...)")  # noqa: TRY004 - a wrong file
        if kind.name != path.stem or not kind.writers <= WRITERS:
            raise ValueError(f"{path}: its name is {kind.name!r}, its writers {set(kind.writers)}")
        found.append(kind)
    if not found:
        raise ValueError(f"{folder} holds no kinds")
    return tuple(found)
