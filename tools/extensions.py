"""Loads what a team adds from outside the image: modules of mounted folders, and entry points.

    folder/*.py ─┐
                 ├──import──> module-level instances of one kind ──> checked ──> list
    entry points ┘

An extension is code its owner trusts as much as the bot: it runs inside the process. Nothing is
skipped in silence: a module that cannot be imported, holds nothing, or reuses a name is an error of
one line that names file and line. At the start that ends the start; a reload keeps the good ones.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from tools.errors import BadArgumentError

T = TypeVar("T")

PREFIX = "sre_agent_extensions"


class ExtensionError(BadArgumentError):
    """An extension is wrong; the message names file and line, or the entry point."""


def load_extensions(
    folders: Sequence[Path], group: str, kind: type[T], *, shipped: Iterable[T] = ()
) -> list[T]:
    """Return every instance of `kind` that mounted folders and an entry-point group offer.

    In a folder each `*.py` counts, except those that begin with `_`; in a module each public
    module-level name (`__all__` decides when it is there). `kind` has a `name`; a name that is
    `shipped`, or that two extensions share, is an error. Raises ExtensionError.
    """
    ours = list(shipped)
    taken = {_name(each): "is shipped" for each in ours}
    found: list[T] = []
    for item, where in _offered(folders, group, kind):
        if any(item is known for known in (*ours, *found)):  # a shipped one it merely imported
            continue
        name = _name(item)
        if name in taken:
            raise ExtensionError(
                f"{where}: {kind.__name__.lower()} {name!r} already {taken[name]}; rename it"
            )
        taken[name] = f"stands at {where}"
        found.append(item)
    return found


def _name(item: object) -> str:
    return str(getattr(item, "name", ""))


def _offered(folders: Sequence[Path], group: str, kind: type[T]) -> Iterator[tuple[T, str]]:
    """Yield each instance with the place it stands at, folders first, in the order of names."""
    for folder in folders:
        if not folder.is_dir():
            raise ExtensionError(
                f"{folder}: no such folder; mount it there or take it out of the configuration"
            )
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                yield from _of_file(path, kind)
    for point in sorted(metadata.entry_points(group=group), key=lambda each: each.name):
        yield from _of_entry_point(point, kind)


def _of_file(path: Path, kind: type[T]) -> Iterator[tuple[T, str]]:
    source, module = _imported(path)
    lines = _lines(source)
    own = [(each, f"{path}:{lines.get(name, 1)}") for name, each in _instances(module, kind)]
    if not own:
        raise ExtensionError(
            f"{path}:1: holds no {kind.__name__.lower()}; a module that only helps others begins "
            "with an underscore"
        )
    yield from own


def _imported(path: Path) -> tuple[str, ModuleType]:
    """Import one file under a name of its own. Raises ExtensionError with the failing line."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ExtensionError(f"{path}:1: cannot be read: {error}") from error
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"{PREFIX}.{path.stem}_{digest}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None:
        raise ExtensionError(f"{path}:1: is no Python module")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # annotations and dataclasses look their module up while it loads
    try:
        # compiled here: a cached .pyc of the same second would serve the file before an edit
        exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102 - its purpose
    except (Exception, SystemExit) as error:  # a team's code, told with its file and line
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        raise ExtensionError(f"{path}:{_line_of(error, path)}: {_told(error)}") from error
    return source, module


def _of_entry_point(point: metadata.EntryPoint, kind: type[T]) -> Iterator[tuple[T, str]]:
    where = f"entry point {point.name!r} ({point.value}) of group {point.group!r}"
    try:
        loaded = point.load()
    except (Exception, SystemExit) as error:  # a team's code, told by the entry point's name
        raise ExtensionError(f"{where}: {_told(error)}") from error
    if isinstance(loaded, ModuleType):
        items = [each for _, each in _instances(loaded, kind)]
    else:
        many = loaded if isinstance(loaded, list | tuple) else [loaded]
        items = [each for each in many if isinstance(each, kind)]
        if len(items) < len(many):
            wrong = next(each for each in many if not isinstance(each, kind))
            raise ExtensionError(f"{where}: {wrong!r} is no {kind.__name__.lower()}")
    if not items:
        raise ExtensionError(f"{where}: holds no {kind.__name__.lower()}")
    yield from ((each, where) for each in items)


def _instances(module: ModuleType, kind: type[T]) -> list[tuple[str, T]]:
    """Return public names and instances in the order they were written; none twice."""
    public: list[str] = list(getattr(module, "__all__", vars(module)))
    found: list[tuple[str, T]] = []
    for name in public:
        each = getattr(module, name, None)
        hidden = name.startswith("_") or isinstance(each, type)
        if isinstance(each, kind) and not hidden and not any(each is seen for _, seen in found):
            found.append((name, each))
    return found


def _lines(source: str) -> dict[str, int]:
    """Return where each top-level name is written, decorators left out."""
    places: dict[str, int] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            places[node.name] = node.lineno
        for target in _targets(node):
            places[target] = node.lineno
    return places


def _targets(node: ast.stmt) -> list[str]:
    targets: list[Any] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _line_of(error: BaseException, path: Path) -> int:
    """Return the last line of the file that was running, or the one that does not parse."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 1
    frames = traceback.extract_tb(error.__traceback__)
    return next((f.lineno or 1 for f in reversed(frames) if f.filename == str(path)), 1)


def _told(error: BaseException) -> str:
    """Return an error in one line."""
    text = error.msg if isinstance(error, SyntaxError) else " ".join(str(error).split())
    return f"cannot be loaded: {type(error).__name__}: {text}"
