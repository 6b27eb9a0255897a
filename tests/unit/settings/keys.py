"""Every key that config.yaml accepts, as the models have it and as the documentation tells it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bot.settings import ConfigDocument

ROOT = Path(__file__).parents[3]
BACKENDS = ("prometheus", "loki", "tracing", "alertmanager")
NOTHING = "–"  # how the documentation writes that a key has no default


@dataclass(frozen=True)
class Key:
    """One key: its dotted name, `<name>` where a person chooses one, and its field."""

    name: str
    field: FieldInfo

    @property
    def kinds(self) -> set[Any]:
        """The type, its origin and all inside it: `tuple[str, ...] | None` has tuple and str."""
        return _kinds(self.field.annotation)


def _kinds(annotation: Any) -> set[Any]:
    found = {get_origin(annotation) or annotation}
    for inner in get_args(annotation):
        if isinstance(inner, type) or get_origin(inner):
            found |= _kinds(inner)
    return found


def accepted(model: type[BaseModel] = ConfigDocument, before: str = "") -> Iterator[Key]:
    """Yield every key of a model. An instance has the keys of the section it is an instance of."""
    for name, field in model.model_fields.items():
        key = Key(f"{before}{name}", field)
        section = next(
            (k for k in key.kinds if isinstance(k, type) and issubclass(k, BaseModel)), None
        )
        if section is None:
            yield key
        elif dict not in key.kinds:
            yield from accepted(section, f"{key.name}.")
        else:
            yield key
            if not issubclass(model, section):
                yield from accepted(section, f"{key.name}.<name>.")


ROW = re.compile(r"^\| `([a-z][\w.<>]*|<backend>[\w.]*)` \| (?:`([^`]*)`|(–)) \|", re.MULTILINE)


def documented() -> dict[str, Any]:
    """Return every key of docs/configure.md with its default; NOTHING where it has none."""
    text = (ROOT / "docs" / "configure.md").read_text(encoding="utf-8")
    rows = [
        (key, NOTHING if none else yaml.safe_load(default))
        for key, default, none in ROW.findall(text)
    ]
    shared = {
        key.replace("<backend>", backend): default
        for key, default in rows
        if "<backend>" in key
        for backend in BACKENDS
    }
    return shared | {key: default for key, default in rows if "<backend>" not in key}


COMMENTED_OUT = re.compile(r"^( *)# ( *[\w-]+:( .*)?)$", re.MULTILINE)


def shipped() -> dict[str, Any]:
    """Return config/config.yaml with what stands there in comments as well."""
    text = (ROOT / "config" / "config.yaml").read_text(encoding="utf-8")
    tree: dict[str, Any] = yaml.safe_load(COMMENTED_OUT.sub(r"\1\2", text))
    return tree


def has(tree: Any, key: str) -> bool:
    """Say whether a tree holds a key; `<name>` is any."""
    for part in key.split("."):
        if not isinstance(tree, dict) or not tree:
            return False
        if part != "<name>" and part not in tree:
            return False
        tree = next(iter(tree.values())) if part == "<name>" else tree[part]
    return True
