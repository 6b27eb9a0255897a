"""One agent run: a question in a thread becomes an answer, whatever is down.

    Question ──> run row ──> triage brief (deterministic) ──> Claude with tools ──> Answer
                                      └──── no Claude, no budget, Claude down ────^

A thread has one run at a time; questions that come meanwhile are queued as rows and merged into
the next run. A run is owned and beats its heart, so that another process can take it over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import structlog
from pydantic import TypeAdapter

import prompts
from bot.core.investigation.agent_loop import Hooks, StoppedError, Talk, converse
from bot.core.investigation.answer_chart import draw_answer
from bot.core.investigation.answer_text import plain, tell
from bot.core.investigation.figures import Release
from bot.core.investigation.intent import parse
from bot.core.investigation.investigator import Diagnosis, Investigator
from bot.core.investigation.recorder import Recorder, for_model
from bot.core.ports import (
    AgentRun,
    Budget,
    Clock,
    Model,
    ModelUnavailableError,
    Reply,
    Store,
    ToolUse,
)
from bot.core.shared.charts import ChartDesk
from bot.domain.answer import Answer, Usage
from bot.domain.audit import BOT, Event
from bot.domain.ids import FindingId, RunId, UserId, mint
from bot.domain.place import Place
from bot.domain.redaction import Redactor
from bot.locale import Texts
from tools.contract import Risk, Tool, Toolbox, ToolResult, tool
from tools.world import Catalogue, Cause, ServiceName

log = structlog.get_logger(__name__)

HEARTBEAT = timedelta(seconds=10)  # wall time
ORPHANED_AFTER = timedelta(seconds=45)  # wall time without a heartbeat
_SIGNED = frozenset({"thinking", "redacted_thinking"})  # must come back verbatim
_ANSWER = TypeAdapter(Answer)
_CONFIDENCE = {"high": 0.9, "medium": 0.6, "low": 0.3, "高": 0.9, "中": 0.6, "低": 0.3}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, where, by whom. `trigger` as in AgentRun."""

    text: str
    place: Place
    trigger: str
    asked_by: UserId | None = None
    asker_name: str = ""
    finding: FindingId | None = None
    locale: str = "en"
    timezone: str = "UTC"


@dataclass(slots=True)
class CauseSheet:
    """Where the model's `record_causes` call is kept for the structured answer."""

    causes: tuple[Cause, ...] = ()


@tool(risk=Risk.READ)
async def record_causes(  # noqa: D417 - the sheet is injected, not described to the model
    sheet: CauseSheet,
    /,
    causes: list[str],
    services: list[str],
    kinds: list[str],
    confidences: list[float],
    evidence: list[str],
) -> ToolResult:
    """Note the causes you concluded, best first, right before you answer.

    The five lists run in parallel, one entry per cause. Call it once, with empty lists when
    nothing is wrong.

    Args:
        causes: one sentence each, as a person could act on it.
        services: the guilty service of each cause, by its catalogue name.
        kinds: deploy, config, resource, dependency, traffic, data or unknown.
        confidences: between 0 and 1.
        evidence: for each cause the evidence ids behind it, joined by commas, such as "E1,E4".
    """
    rows = zip(causes, services, kinds, confidences, evidence, strict=False)
    sheet.causes = tuple(
        Cause(c, ServiceName(s), k, min(1.0, max(0.0, p)), tuple(e.replace(" ", "").split(",")))
        for c, s, k, p, e in rows
    )
    return ToolResult(f"{len(sheet.causes)} cause(s) noted", {"causes": causes})


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Limits and identity of the agent."""

    owner: str  # this process
    budget: Budget = field(default_factory=Budget)
    playbooks: Callable[[], Sequence[str]] = tuple
    gaps: Mapping[str, str] = field(default_factory=dict)  # what is not configured


ToolboxOf = Callable[[AgentRun, CauseSheet], Toolbox]


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
        self._redactor, self._charts, self._model = redactor, charts, model
        self._config = config

    async def open(self, question: Question, run_id: RunId | None = None) -> AgentRun | None:
        """Start a run for a question, or queue it behind the thread's run and return None."""
        now = self._clock.wall()
        run = AgentRun(
            id=run_id or RunId(mint("RUN")),
            place=question.place,
            trigger=question.trigger,
            question=self._redactor.text(question.text),
            asked_by=question.asked_by,
            status="running",
            started_at=self._clock.now(),
            owner=self._config.owner,
            heartbeat_at=now,
            finding=question.finding,
            model=self._model.name if self._model else "",
        )
        async with self._store.begin() as tx:
            started = await tx.runs.start(run)
            if not started:
                await tx.runs.save(replace(run, status="queued"))
            await tx.audit.append(
                Event(
                    kind="question.asked" if started else "question.queued",
                    at=self._clock.now(),
                    actor=question.asked_by or BOT,
                    subject=run.id,
                    facts={"trigger": question.trigger, "place": question.place.key()},
                    private=run.question,
                )
            )
        return run if started else None

    async def answer(self, run: AgentRun, question: Question, reply: Reply) -> Answer | None:
        """Carry a run through to its end; None when it was stopped.

        Never raises for a dead backend or a dead model; an unexpected error ends the run as
        failed, is told in the thread, and is raised for the caller to report.
        """
        texts = Texts(question.locale)
        sheet = CauseSheet()
        titles = {
            k.removeprefix("tool."): texts.raw(k)
            for k in sorted(texts.keys())
            if k.startswith("tool.")
        }
        recorder = Recorder(
            self._store,
            self._clock,
            self._toolbox_of(run, sheet),
            self._redactor,
            run,
            reply,
            titles,
        )
        started = self._clock.monotonic()
        try:
            async with self._beating(run):
                answer = await self._think(run, question, recorder, sheet, reply, texts)
        except StoppedError:
            await self._stopped(run, recorder, reply, texts)
            return None
        except asyncio.CancelledError:
            raise  # shutdown: the row stays running and is taken over after the next start
        except Exception as error:
            await self._failed(run, recorder, reply, texts, error)
            raise
        answer = replace(
            answer, usage=replace(answer.usage, seconds=self._clock.monotonic() - started)
        )
        await self._finish(run, question, answer)
        await reply.finish(run, answer)
        return answer

    async def _think(
        self,
        run: AgentRun,
        question: Question,
        recorder: Recorder,
        sheet: CauseSheet,
        reply: Reply,
        texts: Texts,
    ) -> Answer:
        intent = parse(question.text, self._catalogue(), self._clock.now())
        found = await self._investigator.investigate(intent, question.text, recorder)
        causes = tuple(map(self._redactor.cause, found.causes))
        diagnosis = replace(found, causes=causes)
        if await self._stop_requested(run):
            raise StoppedError
        chart = ""
        if self._charts is not None:
            chart = await draw_answer(self._charts, diagnosis, question.timezone, texts)
        gaps: dict[str, str] = dict(self._config.gaps)
        if self._model is not None:
            over = await self._over_day_budget(run, question, texts)
            if over:
                gaps["claude"] = over
            else:
                try:
                    answer = await self._with_model(
                        self._model, run, question, diagnosis, recorder, sheet, reply, texts
                    )
                    return replace(answer, chart=chart)
                except ModelUnavailableError as error:
                    log.warning("model.unavailable", run_id=run.id, why=str(error))
                    gaps["claude"] = texts.say("gap.claude", why=error)
        return await self._without_model(diagnosis, recorder, reply, texts, gaps, chart)

    async def _without_model(
        self,
        diagnosis: Diagnosis,
        recorder: Recorder,
        reply: Reply,
        texts: Texts,
        gaps: Mapping[str, str],
        chart: str,
    ) -> Answer:
        text, conclusion = tell(diagnosis, self._catalogue(), texts, {**gaps, **recorder.gaps})
        text = self._redactor.text(text)
        await reply.say(text)
        return Answer(
            text=text,
            conclusion=self._redactor.text(conclusion),
            confidence=diagnosis.confidence,
            causes=diagnosis.causes,
            evidence=tuple(recorder.evidence),
            mode="deterministic",
            usage=Usage(steps=len(recorder.evidence)),
            gaps=_told(gaps, recorder.gaps),
            chart=chart,
        )

    async def _with_model(
        self,
        model: Model,
        run: AgentRun,
        question: Question,
        diagnosis: Diagnosis,
        recorder: Recorder,
        sheet: CauseSheet,
        reply: Reply,
        texts: Texts,
    ) -> Answer:
        release = Release(recorder.index)
        released: list[str] = []

        async def say(text: str) -> None:
            await show(release.push(text))

        async def show(sentences: Iterable[str]) -> None:
            # Redacted as a sentence: a stream cuts anywhere, also in the middle of a secret.
            for sentence in map(self._redactor.text, sentences):
                released.append(sentence)
                await reply.say(sentence)

        async def call(use: ToolUse) -> tuple[str, bool]:
            if use.name == record_causes.name:
                result = await recorder.toolbox.call(use.name, use.arguments)
                return result.summary, False
            called = await recorder.call(use.name, use.arguments)
            return for_model(called.evidence), called.evidence.failed

        history, first = await self._messages(run, question, recorder)
        talk = Talk(
            system=self._system(question, recorder, texts),
            messages=[*history, first],
            tools=recorder.toolbox.tools,
            budget=self._config.budget,
            max_tokens=self._config.budget.max_output_tokens,
        )
        hooks = Hooks(say=say, call_tool=call, stopped=lambda: self._stop_requested(run))
        outcome = await converse(model, talk, hooks, self._clock)
        await show(release.flush())
        await self._keep_messages(run, talk.messages[len(history) :])
        text = "".join(released).strip()
        if release.withheld:
            note = texts.say("answer.withheld", count=len(release.withheld))
            text = f"{text}\n{note}"
            await reply.say(f"\n{note}")
        if not text:
            raise ModelUnavailableError("Claude gave no answer")
        gaps = dict(recorder.gaps)
        if outcome.cut:
            gaps["claude"] = outcome.cut
            async with self._store.begin() as tx:
                await tx.audit.append(self._budget_reached(run, None, f"turn: {outcome.cut}"))
        return Answer(
            text=text,
            conclusion=plain(text.partition("\n")[0]),
            confidence=_confidence(text, diagnosis.confidence),
            causes=sheet.causes or diagnosis.causes,
            evidence=tuple(recorder.evidence),
            mode="claude",
            usage=outcome.usage,
            gaps=_told(self._config.gaps, gaps),
        )

    async def _messages(
        self, run: AgentRun, question: Question, recorder: Recorder
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        async with self._store.begin() as tx:
            history = [dict(m) for m in await tx.conversation.history(run.place)]
        brief = "\n".join(for_model(e) for e in recorder.evidence)
        text = prompts.render(
            "question",
            asker=question.asker_name or question.asked_by or "the detector",
            question=run.question,
            brief=brief,
        )
        return history, {"role": "user", "content": [{"type": "text", "text": text}]}

    async def _keep_messages(self, run: AgentRun, messages: Sequence[Mapping[str, Any]]) -> None:
        async with self._store.begin() as tx:
            for message in messages:
                content = [
                    block if block["type"] in _SIGNED else self._redactor.json(block)
                    for block in message["content"]
                ]
                await tx.conversation.append(
                    run.place, message["role"], content, run.id, self._clock.now()
                )

    def _system(self, question: Question, recorder: Recorder, texts: Texts) -> str:
        absent = {**self._config.gaps, **recorder.toolbox.absent}
        return prompts.render(
            "investigate",
            language="Chinese" if texts.language == "zh" else "English",
            timezone=question.timezone,
            now=f"{self._clock.now():%Y-%m-%d %H:%M} UTC",
            asker=question.asker_name or "the detector",
            place=question.trigger,
            services=", ".join(sorted(self._catalogue().services)) or "none",
            metrics=", ".join(sorted(self._catalogue().metrics)) or "none",
            playbooks=", ".join(self._config.playbooks()) or "none",
            gaps="; ".join(f"{k}: {v}" for k, v in absent.items()) or "nothing",
        )

    async def _over_day_budget(self, run: AgentRun, question: Question, texts: Texts) -> str:
        """Return which daily budget is used up, as a gap; empty when there is room."""
        since = self._clock.now() - timedelta(days=1)
        budget = self._config.budget
        checks: list[tuple[str, UserId | None, int | None]] = [
            ("budget.day", None, budget.usd_micros_of_a_day)
        ]
        if question.asked_by is not None:
            person = ("budget.person", question.asked_by, budget.usd_micros_per_person_day)
            checks.insert(0, person)
        async with self._store.begin() as tx:
            for key, user, limit in checks:
                if limit is None:
                    continue
                spent = await tx.usage.spent(since, user)
                if spent.usd_micros >= limit:
                    await tx.audit.append(self._budget_reached(run, user, key))
                    return texts.say(
                        "gap.budget",
                        scope=texts.say(key),
                        spent=f"${spent.usd_micros / 1e6:.2f}",
                        limit=f"${limit / 1e6:.2f}",
                    )
        return ""

    def _budget_reached(self, run: AgentRun, user: UserId | None, which: str) -> Event:
        facts = {"budget": which.removeprefix("budget.")}
        return Event("budget.reached", self._clock.now(), user or BOT, run.id, facts=facts)

    async def _stop_requested(self, run: AgentRun) -> bool:
        async with self._store.begin() as tx:
            return (await tx.runs.get(run.id)).stop_requested_at is not None

    @contextlib.asynccontextmanager
    async def _beating(self, run: AgentRun) -> AsyncIterator[None]:
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

    async def _finish(self, run: AgentRun, question: Question, answer: Answer) -> None:
        body = json.loads(_ANSWER.dump_json(_without_payloads(answer)))
        async with self._store.begin() as tx:
            current = await tx.runs.get(run.id)
            await tx.runs.save(replace(current, status="done", answer=body))
            await tx.usage.add(run.id, question.asked_by, answer, self._clock.now())
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

    async def _stopped(self, run: AgentRun, recorder: Recorder, reply: Reply, texts: Texts) -> None:
        await self._close(run, "stopped", "answer.stopped")
        evidence = ", ".join(e.id for e in recorder.evidence) or texts.say("answer.none")
        await reply.fail(run, texts.say("answer.stopped_nobody", evidence=evidence))

    async def _failed(
        self, run: AgentRun, recorder: Recorder, reply: Reply, texts: Texts, error: Exception
    ) -> None:
        await self._close(run, "failed", "answer.failed")
        evidence = ", ".join(e.id for e in recorder.evidence) or texts.say("answer.none")
        why = self._redactor.text(f"{type(error).__name__}: {error}")[:300]
        await reply.fail(run, texts.say("answer.failed", why=why, evidence=evidence))

    async def _close(self, run: AgentRun, status: str, kind: str) -> None:
        async with self._store.begin() as tx:
            current = await tx.runs.get(run.id)
            await tx.runs.save(replace(current, status=status))
            await tx.audit.append(Event(kind=kind, at=self._clock.now(), actor=BOT, subject=run.id))


def _without_payloads(answer: Answer) -> Answer:
    """The store has every payload already; a run's row keeps only what is shown."""
    return replace(answer, evidence=tuple(replace(e, payload=None) for e in answer.evidence))


def _told(*gaps: Mapping[str, str]) -> tuple[str, ...]:
    merged: dict[str, str] = {}
    for each in gaps:
        merged.update(each)
    return tuple(f"{name}: {why}" for name, why in merged.items())


def _confidence(text: str, otherwise: float) -> float:
    """Read the answer's last `Confidence:` line."""
    for line in reversed(text.splitlines()):
        head, colon, word = line.replace("：", ":").partition(":")
        if colon and head.strip(" *").lower() in {"confidence", "置信度"}:
            return _CONFIDENCE.get(word.strip(" *.").lower(), otherwise)
    return otherwise


def usable(tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Return the catalogue's tools with the run-scoped `record_causes` at the end."""
    return (*tools, record_causes)
