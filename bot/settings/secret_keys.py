"""Keys whose type is a secret: the file may only refer to a variable there, never hold the secret.

What is secret is known by the field's type (`SecretStr`), in sections by name as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from bot.settings.key_types import kinds_of, section_in
from bot.settings.variables import REFERENCE

Keys = tuple[str, ...]  # the place of a value: ("prometheus", "basic", "password")


def literal_secrets(tree: Any, model: type[BaseModel], keys: Keys = ()) -> Iterator[Keys]:
    """Walk the tree beside the models and yield where a secret stands itself."""
    if not isinstance(tree, Mapping):
        return
    for name, field in model.model_fields.items():
        here, value, kinds = (*keys, name), tree.get(name), kinds_of(field.annotation)
        if SecretStr in kinds and isinstance(value, str) and not _is_reference(value):
            yield here
        section = section_in(kinds)
        if section is None:
            continue
        if dict in kinds and isinstance(value, Mapping):  # sections by name
            for each, inner in value.items():
                yield from literal_secrets(inner, section, (*here, str(each)))
        else:
            yield from literal_secrets(value, section, here)


def variable_for(keys: Keys) -> str:
    """Return how a variable for this secret may be called."""
    return re.sub(r"\W", "_", "_".join(keys)).upper()


def _is_reference(value: str) -> bool:
    match = REFERENCE.fullmatch(value)
    return not value or (match is not None and not match[2])  # a default would be a literal


def secrets_of(section: BaseModel) -> list[str]:
    """Return every secret the document holds, so that the redactor knows them."""
    found: list[str] = []
    for value in dict(section).values():
        for each in value.values() if isinstance(value, Mapping) else [value]:
            if isinstance(each, SecretStr):
                found.append(each.get_secret_value())
            elif isinstance(each, BaseModel):
                found += secrets_of(each)
    return found
