"""One agent run: a question in a thread becomes an answer, whatever is down.

    Question ──> run row ──> triage brief (deterministic) ──> Claude with tools ──> Answer
                                      └──── no Claude, no budget, Claude down ────^

A thread has one run at a time; questions that come meanwhile are queued as rows and merged into
the next run. A run is owned and beats its heart, so that another process can take it over.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.core.investigation.causes import CauseSheet
from bot.core.investigation.day_budget import used_up
from bot.core.investigation.investigator.answer_chart import draw_answer
from bot.core.investigation.investigator.answer_text import compose
from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.investigator.intent import Intent, parse
from bot.core.investigation.investigator.investigator import Investigator
from bot.core.investigation.model.agent_loop import RunStoppedError
from bot.core.investigation.model.answer import ModelAnswers
from bot.core.investigation.model.limits import Limits
from bot.core.investigation.recorder import Recorder
from bot.core.investigation.shares import book
from bot.core.investigation.turn import DeskConfig, Turn, told
from bot.core.ports import Clock, Model, ModelUnavailableError, Reply, Store, Transaction
from bot.core.shared.charts import ChartDesk
from bot.domain import run as runs
from bot.domain.answer import Answer
from bot.domain.audit import BOT, Event
from bot.domain.ids import RunId, mint
from bot.domain.question import Question
from bot.domain.run import Failed, Queued, Running, Stopped
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from foundation.shortened import shortened
from tools.contract import Toolbox
from tools.errors import NotFoundError
from tools.world import Catalogue, ModelData

LONGEST_QUESTION = 40_000  # characters; what Slack lets anybody post
log = structlog.get_logger(__name__)

HEARTBEAT = timedelta(seconds=10)  # wall time
ORPHANED_AFTER = timedelta(seconds=45)  # wall time without a heartbeat

ToolboxOf = Callable[[Running, CauseSheet], Toolbox]


class AskedBeforeError(Exception):
    """The question is on record, waiting or answered: it is not asked again."""

    def __init__(self, run_id: RunId) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class AgentDesk:
    """Answers questions."""

    def __init__(  # noqa: PLR0913 - everything a run touches, once
        self,
        *,
        store: Store,
        clock: Clock,
        catalogue: Callable[[], Catalogue],
        investigator: Investigator,
        toolbox_of: ToolboxOf,
        redactor: Redactor,
        charts: ChartDesk | None,
        model: Model | None,
        config: DeskConfig,
    ) -> None:
        """Join the parts; `model` None means deterministic answers only."""
        self._store, self._clock, self._catalogue = store, clock, catalogue
        self._investigator, self._toolbox_of = investigator, toolbox_of
        self._redactor, self._charts, self._config = redactor, charts, config
        self._by_model = (
            ModelAnswers(model, store, clock, catalogue, redactor, config) if model else None
        )
        self.owner, self._model_name = config.owner, model.name if model else ""

    # ------------------------------------------------------------------ from question to answer

    async def open(self, question: Question, run_id: RunId | None = None) -> Running | None:
        """Start a run for a question, or queue it behind the thread's run and return None.

        `run_id` names a question that may come twice, such as an envelope worked on again after a
        kill. Raises AskedBeforeError the second time.
        """
        asked = Queued(
            id=run_id or RunId(mint("RUN")),
            question=replace(question, text=self._kept(question)),
            started_at=self._clock.now(),
        )
        run = self.start(asked)
        async with self._store.begin() as tx:
            if run_id is not None and await _is_on_record(tx, run_id):
                raise AskedBeforeError(run_id)
            started = await tx.runs.start(run)
            if not started:
                await tx.runs.save(asked)
            await tx.audit.append(
                Event(
                    kind="question.asked" if started else "question.queued",
                    at=self._clock.now(),
                    actor=question.asked_by or BOT,
                    subject=run.id,
                    facts={"trigger": question.trigger, "place": question.place.key()},
                    private=asked.question.text,
                )
            )
        return run if started else None

    def _kept(self, question: Question) -> str:
        """Return what is asked as it is stored."""
        return self._redactor.text(shortened(question.text, LONGEST_QUESTION))

    async def says_otherwise(self, question: Question, run_id: RunId) -> bool:
        """Say whether a question that was asked before says something else by now."""
        async with self._store.begin() as tx:
            run = await tx.runs.get(run_id)
        return run.question.text != self._kept(question)

    def start(self, run: Queued) -> Running:
        """Return a run as this process answers it; nothing is committed."""
        return runs.start(run, self.owner, self._clock.wall(), self._model_name)

    async def answer(self, run: Running, reply: Reply) -> Answer | None:
        """Carry a run through to its end; None when it was stopped.

        Never raises for a dead backend or a dead model; an unexpected error ends the run as
        failed, is told in the thread, and is raised for the caller to report.
        """
        turn = self._turn(run, reply)
        started = self._clock.monotonic()
        try:
            async with self._beating(run):
                answer = await self._think(turn)
        except RunStoppedError:
            await self._stopped(turn)
            return None
        except asyncio.CancelledError:
            raise  # shutdown: the row stays running and is taken over after the next start
        except Exception as error:
            await self._failed(turn, error)
            raise
        seconds = self._clock.monotonic() - started
        answer = replace(answer, usage=replace(answer.usage, seconds=seconds))
        await self._finish(run, answer)
        await reply.finish(run, answer)
        return answer

    def _turn(self, run: Running, reply: Reply) -> Turn:
        texts, sheet = Texts(run.question.voice.locale), CauseSheet()
        named = [key for key in sorted(texts.keys()) if key.startswith("tool.")]
        recorder = Recorder(
            self._store,
            self._clock,
            self._toolbox_of(run, sheet),
            self._redactor,
            run,
            reply,
            {key.removeprefix("tool."): texts.raw(key) for key in named},
        )

        async def stopped() -> bool:
            async with self._store.begin() as tx:
                current = await tx.runs.get(run.id)
            return isinstance(current, Running) and current.stop_requested_at is not None

        return Turn(run, recorder, sheet, reply, texts, stopped)

    async def _think(self, turn: Turn) -> Answer:
        question = turn.question
        intent = parse(question.text, self._catalogue(), self._clock.now())
        found = await self._investigator.investigate(intent, question.text, turn.recorder)
        causes = tuple(map(self._redactor.cause, found.causes))
        diagnosis = replace(found, causes=causes, missing=bool(turn.recorder.gaps))
        if await turn.stopped():
            raise RunStoppedError
        chart = ""
        if self._charts is not None:
            timezone = question.voice.timezone
            gaps: dict[str, str] = {}
            chart = await draw_answer(self._charts, diagnosis, timezone, turn.texts, gaps)
            turn.recorder.gaps |= {part: self._redactor.text(why) for part, why in gaps.items()}
        why_not = ""
        if self._by_model is not None:
            why_not = self._closed(intent, turn.texts)
            if not why_not:
                try:
                    why_not = await used_up(turn, self._config.budget, self._store, self._clock)
                    if not why_not:
                        return replace(await self._by_model.answer(turn, diagnosis), chart=chart)
                except RunStoppedError:
                    raise
                except ModelUnavailableError as error:
                    log.warning("model.unavailable", run_id=turn.run.id, why=str(error))
                    why_not = turn.texts.say("gap.claude", why=error)
                except asyncio.CancelledError as error:
                    if _is_shutdown():
                        raise
                    log.exception("model.crashed", run_id=turn.run.id)
                    why_not = _crashed(turn, error)  # one that escaped a library's connection
                except Exception as error:  # whatever fails there, the investigator answers
                    log.exception("model.crashed", run_id=turn.run.id)
                    why_not = _crashed(turn, error)
                await turn.reply.take_back()
        absent = {**self._config.gaps, **({"claude": why_not} if why_not else {})}
        return replace(await self._without_model(turn, diagnosis, absent), chart=chart)

    def _closed(self, intent: Intent, texts: Texts) -> str:
        """Say which of the services asked about are none of the model's business."""
        closed = [
            name
            for name in intent.services
            if Limits(self._catalogue()).of_service(name) is ModelData.NOTHING
        ]
        if not closed:
            return ""
        return texts.say("gap.claude", why=texts.say("gap.closed", services=", ".join(closed)))

    async def _without_model(
        self, turn: Turn, diagnosis: Diagnosis, gaps: Mapping[str, str]
    ) -> Answer:
        recorder, catalogue = turn.recorder, self._catalogue()
        text, conclusion = compose(diagnosis, catalogue, turn.texts, {**gaps, **recorder.gaps})
        text = self._redactor.text(text)
        await turn.reply.say(text)
        return Answer(
            text=text,
            conclusion=self._redactor.text(conclusion),
            confidence=diagnosis.confidence,
            causes=diagnosis.causes,
            evidence=tuple(recorder.evidence),
            mode="deterministic",
            usage=replace(turn.spending.usage, steps=len(recorder.evidence)),
            gaps=told(gaps, recorder.gaps),
            plan_id=recorder.plan_id,
            verdict=diagnosis.verdict,
        )

    # ------------------------------------------------------------------ while it runs, how it ends

    @contextlib.asynccontextmanager
    async def _beating(self, run: Running) -> AsyncIterator[None]:
        """Renew the run's heartbeat while the block runs."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(HEARTBEAT.total_seconds())
                async with self._store.begin() as tx:
                    await tx.runs.heartbeat(run.id, self._clock.wall())

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _finish(self, run: Running, answer: Answer) -> None:
        async with self._store.begin() as tx:
            await tx.runs.save(runs.finish(run, answer))
            await book(tx, run, answer.mode, answer.usage, self._clock.now())
            await tx.audit.append(
                Event(
                    kind="answer.given",
                    at=self._clock.now(),
                    actor=BOT,
                    subject=run.id,
                    facts={
                        "mode": answer.mode,
                        "evidence": [e.id for e in answer.evidence],
                        "usd_micros": answer.usage.usd_micros,
                    },
                    private=answer.text,
                )
            )

    async def _stopped(self, turn: Turn) -> None:
        await self._close(runs.stop(turn.run), turn, "answer.stopped")
        text = turn.texts.say("answer.stopped_nobody", evidence=_evidence_so_far(turn))
        await turn.reply.fail(turn.run, text)

    async def _failed(self, turn: Turn, error: Exception) -> None:
        await self._close(runs.fail(turn.run), turn, "answer.failed")
        why = self._redactor.text(f"{type(error).__name__}: {error}")[:300]
        text = turn.texts.say("answer.failed", why=why, evidence=_evidence_so_far(turn))
        await turn.reply.fail(turn.run, text)

    async def _close(self, run: Failed | Stopped, turn: Turn, kind: str) -> None:
        cost = turn.spending.usage
        async with self._store.begin() as tx:
            await tx.runs.save(run)
            if cost.steps:
                await book(tx, turn.run, "claude", cost, self._clock.now())
            await tx.audit.append(Event(kind=kind, at=self._clock.now(), actor=BOT, subject=run.id))


def _is_shutdown() -> bool:
    """Whether somebody asked for this task's end; libraries have let cancellations escape."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _crashed(turn: Turn, error: BaseException) -> str:
    """Return the gap by which an answer names a fault of ours beside the model."""
    return turn.texts.say("gap.claude", why=f"a fault of ours ({type(error).__name__})")


async def _is_on_record(tx: Transaction, run_id: RunId) -> bool:
    try:
        await tx.runs.get(run_id)
    except NotFoundError:
        return False
    return True


def _evidence_so_far(turn: Turn) -> str:
    ids = ", ".join(each.id for each in turn.recorder.evidence)
    return ids or turn.texts.say("answer.none")
