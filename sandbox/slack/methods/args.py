"""Arguments of one call: lenient in how they were sent, strict in what they are."""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.slack.chat.wire import Json, Refusal, is_moment, is_ts, truth


@dataclass(frozen=True)
class Args:
    """What a caller sent, by name."""

    given: Json

    def has(self, name: str) -> bool:
        """Whether an argument was sent at all."""
        return self.given.get(name) is not None

    def text(self, name: str, default: str = "") -> str:
        """A string argument."""
        value = self.given.get(name)
        if value is None:
            return default
        if isinstance(value, (dict, list)):
            raise Refusal("invalid_arguments", f"must be a string [json-pointer:/{name}]")
        return str(value)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean argument."""
        return truth(self.given.get(name), default=default)

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number between 1 and `most`."""
        value = self.given.get(name)
        if value in (None, ""):
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise Refusal("invalid_limit") from None
        if not 1 <= number <= most:
            raise Refusal("invalid_limit")
        return number

    def structure(self, name: str, refusal: str = "invalid_arguments") -> Any:
        """An object or array, sent as JSON or as a JSON string."""
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refusal(refusal) from None

    def moment(self, name: str) -> str | None:
        """A bound of a window: a ts or plain seconds."""
        value = self.text(name)
        if not value:
            return None
        if not is_moment(value):
            raise Refusal(f"invalid_ts_{name}")
        return value

    def ts(self, name: str, refusal: str) -> str:
        """A message ts; anything of another shape is refused with `refusal`."""
        value = self.text(name)
        if not is_ts(value):
            raise Refusal(refusal)
        return value
