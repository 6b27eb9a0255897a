"""How a command ends: 0 success, 1 what was asked for failed, 2 wrong usage; errors on one line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from foundation.hidden import readable

if TYPE_CHECKING:
    from bot.main import Settings

T = TypeVar("T")


class CommandFailedError(Exception):
    """What was asked for failed; the message is the line on stderr."""


def show_json(value: Any) -> None:
    """Print one JSON object on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def fail(text: str) -> CommandFailedError:
    """Return the error that ends a command with status 1."""
    return CommandFailedError(one_line(text))


def one_line(text: str) -> str:
    """Return foreign text for a line of a terminal: it colours, hides and begins nothing there."""
    return " ".join(readable(text).split())


def settings(log_level: str = "WARNING") -> Settings:
    """Return the settings, or end the command with what is wrong in them.

    A command's own words are its output; only warnings are logged beside them.
    """
    from bot.main import ConfigError, read_settings

    try:
        return read_settings(log_level)
    except ConfigError as error:
        raise fail(str(error)) from error


def carry_out(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; expected errors become one line."""
    from bot.main import ConfigError
    from knowledge.documents import DocumentError
    from tools.errors import ToolError

    try:
        return asyncio.run(work)
    except (ConfigError, ToolError, DocumentError, ValueError, RuntimeError) as error:
        raise fail(str(error) or type(error).__name__) from error
    except OSError as error:
        raise fail(_of_a_path(error)) from error


def _of_a_path(error: OSError) -> str:
    """Return what is wrong with a file or folder, and what to do about it."""
    if error.filename is None:
        return str(error) or type(error).__name__
    path = str(error.filename)
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f"{path!r} cannot be a folder, a file stands in its way; move that file away"
    if isinstance(error, PermissionError):
        return f"{path!r}: permission denied; give it to the user that runs the bot"
    return f"{path!r}: {error.strerror or type(error).__name__}"
