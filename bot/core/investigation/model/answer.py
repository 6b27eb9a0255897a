"""An answer by the model: it reads the brief, calls tools, and its prose is released by sentences.

thread so far + question + brief ──converse──> text ──Release──> sentences, figures marked
                                      │                              └──redacted──> reply
                                      └──> messages, kept for the thread's next question
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

import prompts
from bot.core.investigation.causes import record_causes
from bot.core.investigation.day_budget import budget_reached
from bot.core.investigation.figures.release import Release
from bot.core.investigation.figures.sentence import Setting
from bot.core.investigation.investigator.answer_text import plain
from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.model.agent_loop import CallTool, Hooks, Talk, converse
from bot.core.investigation.model.concluding import Concluded, concluded
from bot.core.investigation.model.conversation import is_whole, told_again
from bot.core.investigation.model.limits import Limits
from bot.core.investigation.model.reading import ModelReading, told_kept
from bot.core.investigation.model.what_there_is import (
    absences_told,
    metrics_told,
    services_told,
    without_absent,
)
from bot.core.investigation.turn import DeskConfig, Turn, told
from bot.core.ports import Clock, Model, Store, ToolUse
from bot.domain.answer import Answer
from bot.domain.run import Running
from bot.domain.secrets.redaction import Redactor
from tools.contract import Tool, Toolbox
from tools.errors import ToolError
from tools.world import Catalogue

log = structlog.get_logger(__name__)

_SIGNED = frozenset({"thinking", "redacted_thinking"})  # must come back verbatim
_CONFIDENCE = {"high": 0.9, "medium": 0.6, "low": 0.3, "高": 0.9, "中": 0.6, "低": 0.3}


class ModelAnswers:
    """Has the model answer."""

    def __init__(
        self,
        model: Model,
        store: Store,
        clock: Clock,
        catalogue: Callable[[], Catalogue],
        redactor: Redactor,
        config: DeskConfig,
    ) -> None:
        """Join the parts."""
        self._model, self._store, self._clock = model, store, clock
        self._catalogue, self._redactor, self._config = catalogue, redactor, config

    async def answer(self, turn: Turn, diagnosis: Diagnosis) -> Answer:
        """Answer. Raises ModelUnavailableError, and RunStoppedError when a person pressed Stop."""
        recorder, prose = turn.recorder, _Prose(turn, self._redactor, self._setting(turn))
        reading = ModelReading(
            Limits(self._catalogue()), self._store, turn.run.place, recorder.own_words
        )
        history, first = await self._messages(turn, reading, diagnosis)
        talk = Talk(
            system=self._system(turn, reading),
            messages=[*history, first],
            tools=_described(recorder.toolbox),
            budget=self._config.budget,
            max_tokens=self._config.budget.max_output_tokens,
        )
        hooks = Hooks(
            say=prose.say,
            call_tool=_calls(turn, reading),
            stopped=turn.stopped,
            closing=frozenset({record_causes.name}),
        )
        try:
            outcome = await converse(self._model, talk, hooks, self._clock)
        finally:
            turn.spending.usage = talk.spent
        causes = concluded(turn.sheet.causes, diagnosis, _ids(turn))
        text = await prose.end(_note(causes, turn))
        await self._keep_messages(turn.run, talk.messages[len(history) :], reading.limits)
        gaps = dict(recorder.gaps)
        if reading.kept:
            gaps["model_data"] = told_kept(reading.kept, turn.texts)
        if outcome.cut:
            gaps["claude"] = outcome.cut
            which = f"turn: {outcome.cut}"
            async with self._store.begin() as tx:
                await tx.audit.append(budget_reached(turn.run.id, None, which, self._clock))
        return Answer(
            text=text,
            conclusion=plain(text.partition("\n")[0]),
            confidence=_confidence(text, diagnosis.confidence),
            causes=causes.causes,
            evidence=tuple(recorder.evidence),
            mode="claude",
            usage=outcome.usage,
            gaps=told(self._config.gaps, gaps),
            plan_id=recorder.plan_id,
            verdict=causes.verdict,
            untraced=prose.untraced,
        )

    def _setting(self, turn: Turn) -> Setting:
        names = {
            each.lower()
            for spec in self._catalogue().services.values()
            for each in (spec.name, *spec.aliases)
        }
        return Setting(frozenset(names), self._clock.now(), turn.question.voice.timezone)

    async def _messages(
        self, turn: Turn, reading: ModelReading, diagnosis: Diagnosis
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Return the thread so far, and this question with its brief.

        What was read under laxer settings than those in force is not told again.
        """
        async with self._store.begin() as tx:
            stored = await tx.conversation.history(turn.run.place)
        history = told_again([m for m in stored if reading.limits.admit(m["read_under"])])
        text = prompts.render(
            "question",
            asker=turn.question.asker,
            place=turn.question.trigger,
            now=f"{self._clock.now():%Y-%m-%d %H:%M} UTC",
            question=turn.question.text,
            brief=self._redactor.text(await reading.brief(turn.recorder.evidence, diagnosis)),
        )
        return history, {"role": "user", "content": [{"type": "text", "text": text}]}

    async def _keep_messages(
        self, run: Running, messages: Sequence[Mapping[str, Any]], limits: Limits
    ) -> None:
        if not is_whole(messages):  # a thread that keeps a part is refused from then on
            log.warning("conversation.not_kept", run_id=run.id, messages=len(messages))
            return
        async with self._store.begin() as tx:
            for message in messages:
                content = [
                    block if block["type"] in _SIGNED else self._redactor.json(block)
                    for block in message["content"]
                ]
                await tx.conversation.append(
                    run.place,
                    message["role"],
                    content,
                    run.id,
                    self._clock.now(),
                    read_under=limits.stored(),
                )

    def _system(self, turn: Turn, reading: ModelReading) -> str:
        """Return what stays the same from question to question, so that it is read from a cache."""
        catalogue, toolbox = self._catalogue(), turn.recorder.toolbox
        return prompts.render(
            "investigate",
            platform=self._config.platform,
            language="Chinese" if turn.texts.language == "zh" else "English",
            timezone=turn.question.voice.timezone,
            services=services_told(catalogue),
            metrics=metrics_told(catalogue),
            playbooks=", ".join(self._config.playbooks()) or "none",
            gaps=absences_told(reading.unavailable(self._config.gaps), toolbox.absent),
        )


class _Prose:
    """What the model writes, on its way to the reader."""

    def __init__(self, turn: Turn, redactor: Redactor, setting: Setting) -> None:
        self._turn = turn
        mark = turn.texts.say("answer.untraced")
        self._release = Release(turn.recorder.index, mark, setting, redactor.text)
        self._said: list[str] = []

    @property
    def untraced(self) -> tuple[str, ...]:
        """The figures that stand in no evidence that was cited for them."""
        return tuple(self._release.untraced)

    async def say(self, text: str) -> None:
        """Take a piece; show the sentences that it completes."""
        await self._show(await asyncio.to_thread(self._release.push, text))

    async def end(self, note: str = "") -> str:
        """Show the rest and a note; return everything that was shown."""
        await self._show(await asyncio.to_thread(self._release.flush))
        text = "".join(self._said).strip()
        if note:
            text = f"{text}\n{note}"
            await self._turn.reply.say(f"\n{note}")
        return text

    async def _show(self, sentences: Iterable[str]) -> None:
        for sentence in sentences:
            self._said.append(sentence)
            await self._turn.reply.say(sentence)


def _calls(turn: Turn, reading: ModelReading) -> CallTool:
    """Return how the model calls a tool of its run; noting causes is no evidence."""

    async def call(use: ToolUse) -> tuple[str, bool]:
        if use.name == record_causes.name:
            try:
                noted = await turn.recorder.toolbox.call(use.name, use.arguments)
            except ToolError as error:
                return str(error), True
            return noted.summary, False
        called = await turn.recorder.call(use.name, use.arguments)
        return await reading.read(called.evidence), called.evidence.failed

    return call


def _described(toolbox: Toolbox) -> tuple[Tool, ...]:
    """Return the usable tools; none of them sends the model to one that is not there."""
    names = {each.name for each in toolbox.tools}
    return tuple(
        replace(each, description=without_absent(each.description, names)) for each in toolbox.tools
    )


def _ids(turn: Turn) -> set[str]:
    """Return the ids of the thread's evidence: they are numbered from E1 on."""
    newest = max((int(each.id[1:]) for each in turn.recorder.evidence), default=0)
    return {f"E{n}" for n in range(1, newest + 1)}


def _note(found: Concluded, turn: Turn) -> str:
    """Say where the answer and the computed ranking differ."""
    if found.computed is None:
        return ""
    cited = ", ".join(found.computed.evidence)
    return turn.texts.say(found.note, cause=found.computed.cause.rstrip("."), evidence=cited)


def _confidence(text: str, otherwise: float) -> float:
    """Read the answer's last `Confidence:` line."""
    for line in reversed(text.splitlines()):
        head, colon, word = line.replace("：", ":").partition(":")
        if colon and head.strip(" *").lower() in {"confidence", "置信度"}:
            return _CONFIDENCE.get(word.strip(" *.").lower(), otherwise)
    return otherwise
