"""Which name stands beside a value in JSON, and whether it says that the value is a secret.

{"password": …}            the key
{"name": "DB_PASSWORD", "value": …}     how manifests, forms and clouds write a pair
{"kind": "Secret", "data": {…}}         every value
["--password", …], ["password", …]      the word before
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import re2

from bot.domain.secrets.secret_shapes import tells
from bot.domain.secrets.secret_values import is_mixed

_SAMPLE = "Sample-1a2B3c4D5e6F"  # a value that would be cut under any telling name
VALUES = frozenset({
    "value", "text", "plain", "raw", "data", "old", "new", "before", "after", "from", "to",
    "current", "previous", "default", "decoded", "content",
})  # fmt: skip
_CODE = re2.compile(r"(?i)(?:[a-z]+[_\- ])?(?:otp|totp|mfa|2fa|pin)(?:[_\- ]?code)?")
_DIGITS = re2.compile(r"\d{4,8}")


def names_of(pair: Mapping[Any, Any]) -> Mapping[str, str]:
    """Return for members of a mapping the names that stand elsewhere than in their keys."""
    keys = {str(key).lower(): str(key) for key in pair}
    told = pair.get(keys.get("name", "")) or pair.get(keys.get("key", ""))
    return {keys["value"]: told} if isinstance(told, str) and "value" in keys else {}


def names_in(items: Sequence[Any]) -> list[str]:
    """Return for each item of a list the name that the one before it gives, or nothing.

    An option of a command names its argument; of two words that are a pair the first one does.
    """
    options = [str(i).lstrip("-") if str(i).startswith("-") else "" for i in items]
    if len(items) == 2 and all(isinstance(each, str) for each in items) and is_mixed(items[1]):
        options[0] = options[0] or items[0]
    return ["", *options][: len(items)]


def without_data(value: Mapping[Any, Any], mark: str) -> Mapping[Any, Any]:
    """Return an object of Kubernetes; of a Secret the mark for whatever it holds."""
    if value.get("kind") != "Secret":
        return value
    return {k: dict.fromkeys(v, mark) if _holds(k, v) else v for k, v in value.items()}


def _holds(name: Any, value: Any) -> bool:
    return name in {"data", "stringData"} and isinstance(value, Mapping)


@lru_cache(maxsize=4096)
def is_telling(name: str) -> bool:
    """Say whether a value below this name may be a secret."""
    return tells(name, _SAMPLE)


def tells_plainly(name: str, value: str | float) -> bool:
    """Say whether a name alone says that a text or a number is a secret."""
    if isinstance(value, bool):
        return False
    text = str(value)
    if _CODE.fullmatch(name) and _DIGITS.fullmatch(text):
        return True
    return (isinstance(value, str) or len(text) >= 4) and tells(name, text)
