"""Variables in the document: `${VAR}` and `${VAR:-default}` in values, SRE_AGENT_… over any key.

They are expanded after parsing, in whole string leaves, so that a value can never inject YAML. An
unset `${VAR}` without default is null: as if the key were not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bot.settings.key_types import is_one_word
from foundation.capped_file import UnreadableFileError, read_capped
from foundation.yaml_file import LIMITS, YamlFileError, parse_yaml

REFERENCE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
PREFIX = "SRE_AGENT_"  # of SRE_AGENT_<SECTION>__<KEY>


def expand(value: Any, environ: Mapping[str, str]) -> Any:
    """Expand `${VAR}` and `${VAR:-default}` in every string leaf."""
    if isinstance(value, dict):
        return {key: expand(member, environ) for key, member in value.items()}
    if isinstance(value, list):
        return [expand(member, environ) for member in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = REFERENCE.fullmatch(value)
    if whole and not environ.get(whole[1]) and whole[2] is None:
        return None
    return REFERENCE.sub(lambda m: environ.get(m[1]) or m[2] or "", value)


def override(tree: dict[str, Any], environ: Mapping[str, str], model: type[BaseModel]) -> None:
    """Lay `SRE_AGENT_<SECTION>__<KEY>` over the tree.

    A value stands as it is: `#ops` is a channel, `1234` a token, `null` a name. Only where `model`
    wants a list, a mapping or a section it is read as YAML. An empty one: as if not set.
    """
    for name, value in environ.items():
        if not name.startswith(PREFIX) or "__" not in name:
            continue
        keys = name.removeprefix(PREFIX).lower().split("__")
        place = tree
        for key in keys[:-1]:
            inner = place.get(key)
            place[key] = inner = dict(inner) if isinstance(inner, dict) else {}
            place = inner
        place[keys[-1]] = value or None if is_one_word(model, keys) else _value(value, name)


def _value(text: str, name: str) -> Any:
    """Read a variable's value as YAML would; what is no YAML is the text."""
    try:
        return parse_yaml(text, name).value
    except YamlFileError:
        return text


def variables_of(path: Path) -> set[str]:
    """Return the names a configuration file refers to as `${NAME}`; none when it cannot be read."""
    try:
        content = read_capped(path, LIMITS.bytes)
        return {match[1] for match in REFERENCE.finditer(content.decode("utf-8"))}
    except (UnreadableFileError, UnicodeDecodeError):
        return set()  # read_document says so better
