"""What the document's models say of a key: its type, and the section it leads into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

HOLDS_MORE = (dict, list, tuple)


def kinds_of(annotation: Any) -> set[Any]:
    """Return the type, its origin and all inside it: `dict[str, X] | None` has dict and X."""
    found = {annotation, get_origin(annotation)}
    for inner in get_args(annotation):
        if not isinstance(inner, str | FieldInfo):
            found |= kinds_of(inner)
    return found


def section_in(kinds: set[Any]) -> type[BaseModel] | None:
    """Return the section among some types."""
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def is_one_word(model: type[BaseModel], keys: Sequence[str | int]) -> bool:
    """Say whether a key holds one text, number, flag or secret: no list, mapping or section."""
    kinds = _kinds_at(model, keys)
    return bool(kinds) and section_in(kinds) is None and kinds.isdisjoint(HOLDS_MORE)


def names_at(model: type[BaseModel], keys: Sequence[str | int]) -> list[str]:
    """Return the keys of the section at a place; none where no section stands."""
    section = section_in(_kinds_at(model, keys))
    return sorted(section.model_fields) if section else []


def _kinds_at(model: type[BaseModel], keys: Sequence[str | int]) -> set[Any]:
    """Return the types of a key; none for one that no model knows."""
    kinds: set[Any] = {model}
    for key in keys:
        section = section_in(kinds)
        if section is None:
            return set()
        if dict in kinds:  # this key is a name that a person chose, such as that of an instance
            kinds = {section}
            continue
        field = section.model_fields.get(str(key))
        kinds = kinds_of(field.annotation) if field else set()
    return kinds
