"""Agent runs: who asked what, what the model saw and found, what it cost, where it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bot.domain.answer import Answer, Evidence, Usage
from bot.domain.ids import EvidenceId, RunId, Ts, UserId
from bot.domain.place import Place
from bot.domain.run import AgentRun, Merged, Queued, Running
from tools.world import Window


class Runs(Protocol):
    """Agent runs; one running per thread."""

    async def start(self, run: Running) -> bool:
        """Add a running run, or let a queued one run; False when the thread has one already.

        Raises StaleError when there is a run of this id that does not wait.
        """
        ...

    async def get(self, run_id: RunId) -> AgentRun:
        """Return a run."""
        ...

    async def running_in(self, place: Place) -> Running | None:
        """Return the run that is at work in a thread."""
        ...

    async def save(self, run: AgentRun) -> None:
        """Replace a run's row, but not where it shows nor that it should stop."""
        ...

    async def heartbeat(self, run_id: RunId, at: datetime) -> None:
        """Note that a run's process is alive."""
        ...

    async def shown_in(self, run_id: RunId, ts: Ts) -> None:
        """Note the message that a run shows in."""
        ...

    async def request_stop(self, run_id: RunId, at: datetime) -> bool:
        """Ask a run to stop; False when it is over already."""
        ...

    async def orphans(self, before: datetime) -> list[Running]:
        """Return running runs that are proved, without a heartbeat since `before`."""
        ...

    async def take_over(self, run: Running, owner: str, at: datetime) -> bool:
        """Make a run ours if its heartbeat is still the one in `run` (compare-and-set)."""
        ...

    async def queued(self, place: Place | None = None, trigger: str = "") -> list[Queued]:
        """Return queued runs that are proved, oldest first, of one thread or trigger if named."""
        ...

    async def refuse_unproved(self, at: datetime) -> int:
        """End the waiting and running runs that nobody asked for, on record; how many."""
        ...

    async def is_genuine(self, run_id: RunId) -> bool:
        """Say whether we wrote a run as it stands; False when it is gone."""
        ...

    async def merged_into(self, run_id: RunId) -> list[Merged]:
        """Return the runs whose questions another run answers as well, oldest first."""
        ...


class Conversation(Protocol):
    """The messages of a thread as the model saw them (plain JSON content blocks)."""

    async def history(self, place: Place, runs: int = 12) -> list[Mapping[str, Any]]:
        """Return the messages of the newest runs, oldest first; none in part.

        Each is `{"role", "content", "read_under"}`.
        """
        ...

    async def append(
        self,
        place: Place,
        role: str,
        content: Any,
        run_id: RunId,
        at: datetime,
        *,
        read_under: Mapping[str, str],
    ) -> None:
        """Add one message, with how much of whose data might be read when it was said."""
        ...


class EvidenceStore(Protocol):
    """Tool calls with their results, numbered per thread."""

    async def add(  # noqa: PLR0913 - one row of evidence, column by column
        self,
        place: Place,
        run_id: RunId,
        *,
        tool: str,
        arguments: Mapping[str, Any],
        summary: str,
        at: datetime,
        window: Window | None = None,
        query: str = "",
        link: str = "",
        payload: Any = None,
        failed: bool = False,
        rest: str = "",
    ) -> Evidence:
        """Number and keep one tool call."""
        ...

    async def get(self, place: Place, evidence_id: EvidenceId) -> Evidence:
        """Return one piece of evidence of a thread."""
        ...

    async def of_run(self, run_id: RunId) -> list[Evidence]:
        """Return a run's evidence in order."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """Money and tokens spent since a time."""

    usd_micros: int
    input_tokens: int
    output_tokens: int
    runs: int


class UsageLedger(Protocol):
    """What runs cost, for budgets per person, team and day."""

    async def add(
        self, run_id: RunId, user: UserId | None, mode: str, used: Usage, at: datetime
    ) -> None:
        """Book one run that ended."""
        ...

    async def spent(self, since: datetime, user: UserId | None = None) -> Spent:
        """Return what was spent, by one person or by all."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run and of a day; None is no limit."""

    max_steps: int = 12
    max_tokens: int = 200_000
    seconds: float = 180.0
    usd_micros_per_turn: int | None = 1_000_000
    usd_micros_per_person_day: int | None = 10_000_000
    usd_micros_per_team_day: int | None = 50_000_000  # of everybody; the smaller one counts
    usd_micros_per_day: int | None = 100_000_000
    max_output_tokens: int = 4096  # of one reply of the model

    @property
    def usd_micros_of_a_day(self) -> int | None:
        """Return what all questions of a day may cost, None for any."""
        limits = (self.usd_micros_per_team_day, self.usd_micros_per_day)
        return min((limit for limit in limits if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """One visible step of a run: a tool call as a person reads it."""

    id: str
    title: str
    status: str  # "in_progress", "complete", "error"
    details: str = ""
    output: str = ""


class Reply(Protocol):
    """Where an answer appears while it is made: a Slack stream, a terminal, or nowhere.

    A dead Slack never fails a run: implementations report and go on; the answer is in the store.
    """

    async def step(self, update: StepUpdate) -> None:
        """Show a step's progress."""
        ...

    async def say(self, text: str) -> None:
        """Show a released piece of prose."""
        ...

    async def take_back(self) -> None:
        """Withdraw the prose shown so far: what is said next is the answer from its beginning."""
        ...

    async def finish(self, run: Running, answer: Answer) -> None:
        """Complete the message with its chart and buttons."""
        ...

    async def fail(self, run: Running, text: str) -> None:
        """Complete the message with an apology that says what to do."""
        ...


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's 👍 or 👎 on an answer."""

    run_id: RunId
    by: UserId
    helpful: bool
    at: datetime
    text: str = ""


class FeedbackRows(Protocol):
    """Feedback on answers; a person's last word counts."""

    async def save(self, feedback: Feedback) -> None:
        """Insert or replace a person's feedback on a run."""
        ...


class Charts(Protocol):
    """PNG charts by id, kept until they are uploaded and for the record."""

    async def save(self, chart_id: str, png: bytes, alt_text: str, at: datetime) -> None:
        """Keep one chart."""
        ...

    async def get(self, chart_id: str) -> tuple[bytes, str]:
        """Return a chart's PNG and alternative text."""
        ...
