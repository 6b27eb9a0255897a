"""One agent run: its states and the only moves between them.

    Queued --start--> Running --finish--> Done      its answer is kept
       |                 |-----fail-----> Failed    an unexpected error; the thread was told
       |                 `-----stop-----> Stopped   a person pressed Stop
       `--merge--> Merged                           another run of the thread answers its question

A thread has one running run. One without a heartbeat is taken over: it goes on under another owner.
Where a run shows and that it should stop are written by others while it runs; no move changes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.answer import Answer
from bot.domain.ids import FindingId, RunId, Ts, UserId
from bot.domain.place import Place
from bot.domain.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is true of every run."""

    id: RunId
    question: Question  # without secrets
    started_at: datetime  # world time; a queued run began to wait then

    @property
    def place(self) -> Place:
        """The thread it is answered in."""
        return self.question.place

    @property
    def asked_by(self) -> UserId | None:
        """Who asked, None for the detector."""
        return self.question.asked_by

    @property
    def finding(self) -> FindingId | None:
        """The finding it investigates."""
        return self.question.finding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun(_Asked):
    """What is true of every run that began to answer."""

    owner: str  # the process that answers, or did
    model: str = ""  # name of the model, empty without one
    stream_ts: Ts | None = None  # of the message it shows in; committed right after that began


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(_Asked):
    """Waiting for its thread, or for its finding's post."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(_Begun):
    """Being answered by one process."""

    heartbeat_at: datetime  # wall time
    stop_requested_at: datetime | None = None  # wall time


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(_Begun):
    """Answered."""

    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Begun):
    """Ended by an unexpected error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(_Begun):
    """Ended by a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged(_Asked):
    """Answered within an earlier run of its thread."""

    into: RunId | None  # that run; None where an older version did not keep it


AgentRun = Queued | Running | Done | Failed | Stopped | Merged


def start(run: Queued, owner: str, at: datetime, model: str = "") -> Running:
    """Begin to answer; `at` is wall time."""
    return Running(**_asked(run), owner=owner, heartbeat_at=at, model=model)


def merge(run: Queued, into: RunId) -> Merged:
    """Leave the question to another run of the thread."""
    return Merged(**_asked(run), into=into)


def finish(run: Running, answer: Answer) -> Done:
    """End with an answer."""
    return Done(**_begun(run), answer=answer)


def fail(run: Running) -> Failed:
    """End without an answer."""
    return Failed(**_begun(run))


def stop(run: Running) -> Stopped:
    """End because a person said so."""
    return Stopped(**_begun(run))


def _asked(run: _Asked) -> dict[str, Any]:
    return {"id": run.id, "question": run.question, "started_at": run.started_at}


def _begun(run: _Begun) -> dict[str, Any]:
    return {
        **_asked(run), "owner": run.owner, "model": run.model, "stream_ts": run.stream_ts,
    }  # fmt: skip
