"""Errors of the tools, split by who can act on them.

ToolError
├── BadArgumentError       the model (or caller) can fix the arguments and try again
├── NotFoundError          what was asked for does not exist; names near ones
│   └── GoneError               a backend says so, in its own words
├── BackendError           an operator must look: a backend is down, slow or refuses us
│   ├── BackendUnavailableError   unreachable, timed out, 5xx; recovers by itself
│   ├── BackendDeniedError        401/403: names the missing permission
│   ├── QueryBudgetError          our own limit of questions per minute; the backend is well
│   └── BackendRefusedError       the backend understood and said no (bad query, conflict)
│       ├── TryLaterError         refused for now: rate or disruption budget
│       └── AnswerTooLargeError   also a BadArgumentError: whoever asked should ask for less
├── ActionRefusedError     a guard or precondition said no; nothing was sent
├── LostRaceError          the object changed since it was read; nothing was changed
└── OutcomeUnknownError    the request was sent, its effect is unproved; a human now
"""

from __future__ import annotations


class ToolError(Exception):
    """Base of everything a tool raises on purpose."""


class BadArgumentError(ToolError):
    """The arguments are wrong; the message says how to mend them."""


class NotFoundError(ToolError):
    """Nothing by that name; the message names the nearest ones."""


class GoneError(NotFoundError):
    """A backend has no such object; the message quotes what it said."""


class BackendError(ToolError):
    """A backend failed; `backend` names it (prometheus, loki, kubernetes, …)."""

    def __init__(self, backend: str, message: str) -> None:
        """Keep the backend's name beside the message."""
        super().__init__(f"{backend}: {message}")
        self.backend = backend


class BackendUnavailableError(BackendError):
    """The backend cannot be reached or does not answer in time."""


class BackendDeniedError(BackendError):
    """The backend refuses our identity; the message names the missing permission."""


class BackendRefusedError(BackendError):
    """The backend understood the request and refused it."""


class AnswerTooLargeError(BackendRefusedError, BadArgumentError):
    """The answer is beyond our limits; the message says how to ask for less."""


class QueryBudgetError(BackendError):
    """Our own budget of questions is used up; the backend itself may be well."""


class ActionRefusedError(ToolError):
    """An action was refused before anything was sent."""


class TryLaterError(BackendRefusedError):
    """Refused for now (429); nothing was changed and the same request may be accepted later."""


class LostRaceError(ToolError):
    """The object changed between reading and writing; nothing was changed."""


class OutcomeUnknownError(ToolError):
    """A change was sent but its effect is not proved; never repeat it blindly."""
