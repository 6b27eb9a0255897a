"""Reading config.yaml: from its text to a document, and errors that say where and what to write.

    YAML text --parse--> tree with lines --expand ${VAR:-default}--> --override--> --validate--> it

An error names file, line, key, value and the nearest valid name.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.settings.secret_keys import literal_secrets, variable_for
from bot.settings.variables import expand, override


def read_document(path: Path, environ: Mapping[str, str]) -> ConfigDocument:
    """Read, expand, override and validate. Raises ConfigError with one clear line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"configuration {str(path)!r} cannot be read ({error.strerror}); "
            "set SRE_AGENT_CONFIG to the file's path"
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected sections at the top, got {type(tree).__name__}")
    for keys in literal_secrets(tree, ConfigDocument):
        raise ConfigError(
            f"{path}:{_line(node, keys)}: {'.'.join(keys)} holds a literal secret; "
            f"write a reference such as ${{{variable_for(keys)}}} and set the variable"
        )
    expanded = expand(tree, environ)
    override(expanded, environ)
    try:
        return ConfigDocument.model_validate(expanded)
    except ValidationError as error:
        raise ConfigError(_explain(error, path, node)) from error


def _explain(error: ValidationError, path: Path, node: Any) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        keys = tuple(str(part) for part in detail["loc"])
        dotted = ".".join(keys)
        if detail["type"] == "extra_forbidden":
            known = _known_keys(keys[:-1])
            close = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
            lines.append(f"{path}:{_line(node, keys)}: unknown key {dotted!r}.{hint}")
        else:
            lines.append(
                f"{path}:{_line(node, keys)}: {dotted}: {detail['msg']}, got {detail['input']!r}"
            )
    return "; ".join(lines)


def _known_keys(keys: tuple[str, ...]) -> list[str]:
    model: Any = ConfigDocument
    named = False  # the key is a name a person chose, such as that of an instance
    for key in keys:
        if named:
            named = False
            continue
        field = model.model_fields.get(key)
        candidates = [field.annotation, *get_args(field.annotation)] if field else []
        named = bool(field) and get_origin(field.annotation) is dict
        model = next(
            (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None
        )
        if model is None:
            return []
    return sorted(model.model_fields)


def _line(node: Any, keys: tuple[str, ...]) -> int | str:
    """Return the line of a key in the file, or `env` when only the environment holds it."""
    line: int | str = "env"
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next((p for p in node.value if p[0].value == key), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line
