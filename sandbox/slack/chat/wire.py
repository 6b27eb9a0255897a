"""What travels: JSON objects, ids, timestamps, and the one way to say no.

*refusal*: an answer `{"ok": false, "error": CODE, …}`; raised anywhere, rendered by the API door.
*ts*: Slack's message id, `SECONDS.MICROSECONDS`, unique and rising in a channel.
"""

import re
import secrets
import string
from typing import Any, Protocol

Json = dict[str, Any]

_ALPHABET = string.ascii_uppercase + string.digits
_TS = re.compile(r"^\d{1,12}\.\d{6}$")


class WorldClock(Protocol):
    """The sandbox's shared clock: epoch seconds of the simulated world."""

    def now(self) -> float:
        """World time now, in epoch seconds (UTC)."""
        ...


class Refusal(Exception):
    """Slack's answer `ok: false`.

    Attributes:
        code: Slack's error word, e.g. `channel_not_found`.
        details: further top-level fields of the answer (`needed`, `provided`, `errors`, …).
    """

    def __init__(self, code: str, *messages: str, **details: Any) -> None:
        """Refuse with `code`; `messages` become `response_metadata.messages`."""
        super().__init__(code, *messages)
        self.code = code
        self.details: Json = dict(details)
        if messages:
            self.details["response_metadata"] = {"messages": [f"[ERROR] {m}" for m in messages]}

    def answer(self) -> Json:
        """The JSON body a caller receives."""
        return {"ok": False, "error": self.code, **self.details}


def mint(prefix: str, length: int = 10) -> str:
    """Return a fresh Slack-shaped id: the kind's letter and random capitals and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def ts_from_micros(micros: int) -> str:
    """Write microseconds since the epoch as Slack writes a ts."""
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def micros_from_ts(ts: str) -> int:
    """Read a ts (or a plain number of seconds, as `oldest` may be) into microseconds."""
    seconds, _, fraction = ts.partition(".")
    return int(seconds or "0") * 1_000_000 + int((fraction + "000000")[:6])


def is_ts(value: object) -> bool:
    """Tell whether `value` has the shape of a message ts."""
    return isinstance(value, str) and bool(_TS.match(value))


def is_moment(value: object) -> bool:
    """Tell whether `value` can be a bound of a history window: a ts or plain seconds."""
    return isinstance(value, str) and bool(re.match(r"^\d{1,12}(\.\d{0,9})?$", value))


def truth(value: object, *, default: bool = False) -> bool:
    """Read a flag however it was sent: JSON bool, `1`, `"true"`, `"0"`."""
    if value is None or value == "":
        return default
    if isinstance(value, str):
        return value.lower() in {"1", "true", "yes"}
    return bool(value)
