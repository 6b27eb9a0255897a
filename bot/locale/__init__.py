"""Every string a person reads, in English and Chinese.

`bot/locale/<language>/*.yaml` hold flat `key: text` pairs; `{name}` fields are filled in by
`Texts.say`. A test keeps both languages at the same keys and fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from foundation.yaml_file import read_yaml

LANGUAGES = ("en", "zh")
DEFAULT_LANGUAGE = "en"
DEFAULT_TIMEZONE = "UTC"  # an IANA name
_HERE = Path(__file__).parent


class MissingTextError(KeyError):
    """A text key does not exist, or a field of it was not given."""


@cache
def _table(language: str) -> Mapping[str, str]:
    merged: dict[str, str] = {}
    for path in sorted((_HERE / language).glob("*.yaml")):
        pairs = read_yaml(path).value or {}
        doubled = merged.keys() & pairs.keys()
        if doubled:
            raise MissingTextError(f"{path.name}: keys stand in two files: {sorted(doubled)}")
        merged.update({str(k): str(v).strip("\n") for k, v in pairs.items()})
    return merged


class Texts:
    """The texts of one language."""

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        """Choose a language. Raises ValueError for one we do not speak."""
        if language not in LANGUAGES:
            raise ValueError(f"no locale {language!r}; known: {', '.join(LANGUAGES)}")
        self.language = language

    def say(self, key: str, **fields: object) -> str:
        """Return the text of a key with its fields filled in."""
        text = _table(self.language).get(key)
        if text is None:
            raise MissingTextError(f"no text {key!r} in locale {self.language!r}")
        try:
            return text.format(**fields)
        except KeyError as error:
            raise MissingTextError(f"text {key!r} needs the field {error}") from error

    def keys(self) -> frozenset[str]:
        """Return every key of this language."""
        return frozenset(_table(self.language))

    def raw(self, key: str) -> str:
        """Return a text with its fields unfilled."""
        return _table(self.language)[key]
