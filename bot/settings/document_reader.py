"""Reading config.yaml: from its text to a document, and errors that say where and what to write.

    YAML text --parse--> tree with lines --expand ${VAR:-default}--> --override--> --validate--> it

An error names file, line, key, value and the nearest valid name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.settings.key_types import names_at
from bot.settings.secret_keys import literal_secrets, variable_for
from bot.settings.variables import expand, override
from foundation.nearest import nearest
from foundation.yaml_file import YamlFile, YamlFileError, read_yaml

# where pydantic names Python's types, which nobody who writes YAML thinks of
EXPECTED = {
    "tuple_type": "expected a list, such as [a, b]",
    "dict_type": "expected keys with values, such as {a: b}",
    "model_type": "expected keys with values, such as {a: b}",
    "dataclass_type": "expected keys with values, such as {a: b}",
}


def read_document(path: Path, environ: Mapping[str, str]) -> ConfigDocument:
    """Read, expand, override and validate. Raises ConfigError with one clear line."""
    file = _read(path)
    for keys in literal_secrets(file.value, ConfigDocument):
        raise ConfigError(
            f"{_where(file, keys)}: {'.'.join(keys)} holds a literal secret; "
            f"write a reference such as ${{{variable_for(keys)}}} and set the variable"
        )
    expanded = expand(file.value or {}, environ)
    override(expanded, environ, ConfigDocument)
    try:
        return ConfigDocument.model_validate(expanded)
    except ValidationError as error:
        raise ConfigError(_explain(error, file)) from error


def _read(path: Path) -> YamlFile:
    try:
        file = read_yaml(path)
    except YamlFileError as error:
        if isinstance(error.__cause__, OSError):
            raise ConfigError(
                f"configuration {str(path)!r} cannot be read ({error.__cause__.strerror}); "
                "set SRE_AGENT_CONFIG to the file's path"
            ) from error
        raise ConfigError(str(error)) from error
    if not isinstance(file.value, dict | None):
        found = type(file.value).__name__
        raise ConfigError(f"{file.where()}: expected sections at the top, got {found}")
    return file


def _explain(error: ValidationError, file: YamlFile) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        keys = detail["loc"]
        dotted = ".".join(str(part) for part in keys)
        if detail["type"] == "extra_forbidden":
            hint = nearest(str(keys[-1]), names_at(ConfigDocument, keys[:-1]))
            lines.append(f"{_where(file, keys)}: unknown key {dotted!r}.{hint}")
        else:
            expected = EXPECTED.get(detail["type"], detail["msg"])
            wrong = f"{expected}, got {detail['input']!r}"
            lines.append(f"{_where(file, keys)}: {dotted}: {wrong}")
    return "; ".join(lines)


def _where(file: YamlFile, keys: Sequence[str | int]) -> str:
    """Return `file:line` of a key, or `file:env` when only the environment holds it."""
    line = file.line(keys)
    return f"{file.name}:{'env' if line is None else line}"
