"""The environment: the only reader of os.environ, and the files that `*_FILE` names."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path

from bot.clock import WorldClock
from bot.settings.errors import ConfigError

LONGEST_SECRET = 64 * 1024  # characters: more than any key, certificate or address
SECRET_NAMES = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "ANTHROPIC_API_KEY",
    "AUDIT_KEY",
    "WEBHOOK_URL",
    "HTTP_ACTION_SECRET",
    "AUDIT_ANCHOR_URL",
    "AUDIT_ANCHOR_SECRET",
)


def environment() -> dict[str, str]:
    """Return the process's environment."""
    return dict(os.environ)


def with_files(environ: Mapping[str, str], referred: Collection[str]) -> dict[str, str]:
    """Add `*_FILE` of every secret and of every `${NAME}` that the configuration refers to.

    Raises ConfigError for a file that cannot be read.
    """
    # A secret made by `echo` ends its line, which no header and no address may.
    found = {name: value.rstrip("\r\n") for name, value in environ.items()}
    for name in sorted({*SECRET_NAMES, "DATABASE_URL", *referred}):
        path = environ.get(f"{name}_FILE")
        if not path or environ.get(name):
            continue
        try:
            with Path(path).open(encoding="utf-8-sig") as file:  # a pipe too: FILE=<(command)
                found[name] = file.read(LONGEST_SECRET + 1).strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(
                f"{name}_FILE names {path!r}, which cannot be read ({why}); "
                "mount the secret or unset the variable"
            ) from error
        if len(found[name]) > LONGEST_SECRET:
            raise ConfigError(
                f"{name}_FILE names {path!r}, which holds more than {LONGEST_SECRET} characters: "
                "that is no secret; name the file that holds it alone"
            )
    return found


def clock_of(found: Mapping[str, str]) -> WorldClock:
    """Return the clock: SRE_AGENT_CLOCK of the sandbox, else the real one."""
    try:
        return WorldClock.parse(found.get("SRE_AGENT_CLOCK", ""))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def port_of(found: Mapping[str, str], name: str) -> int | None:
    """Return the port that a variable names; None where it is not set."""
    text = found.get(name)
    if not text:
        return None
    if not text.isdigit() or int(text) > 65535:
        raise ConfigError(f"{name} must be a port number (0–65535), got {text!r}")
    return int(text)
