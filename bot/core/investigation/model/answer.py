"""An answer by the model: it reads the brief, calls tools, and its prose is released by sentences.

thread so far + question + brief ──converse──> text ──Release──> sentences of known figures
                                      │                              └──redacted──> reply
                                      └──> messages, kept for the thread's next question
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

import prompts
from bot.core.investigation.causes import record_causes
from bot.core.investigation.day_budget import budget_reached
from bot.core.investigation.figures import Release
from bot.core.investigation.investigator.answer_text import plain
from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.model.agent_loop import CallTool, Hooks, Talk, converse
from bot.core.investigation.model.conversation import is_whole, told_again
from bot.core.investigation.model.limits import Limits
from bot.core.investigation.model.reading import ModelReading, told_kept
from bot.core.investigation.turn import DeskConfig, Turn, told
from bot.core.ports import Clock, Model, Store, ToolUse
from bot.domain.answer import Answer, Conclusion
from bot.domain.run import Running
from bot.domain.secrets.redaction import Redactor
from tools.errors import ToolError
from tools.world import Catalogue, Cause

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
        recorder, prose = turn.recorder, _Prose(turn, self._redactor)
        reading = ModelReading(
            Limits(self._catalogue()), self._store, turn.run.place, recorder.own_words
        )
        history, first = await self._messages(turn, reading)
        talk = Talk(
            system=self._system(turn, reading),
            messages=[*history, first],
            tools=recorder.toolbox.tools,
            budget=self._config.budget,
            max_tokens=self._config.budget.max_output_tokens,
        )
        hooks = Hooks(say=prose.say, call_tool=_calls(turn, reading), stopped=turn.stopped)
        try:
            outcome = await converse(self._model, talk, hooks, self._clock)
        finally:
            turn.spending.usage = talk.spent
        text = await prose.end()
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
            causes=turn.sheet.causes or diagnosis.causes,
            evidence=tuple(recorder.evidence),
            mode="claude",
            usage=outcome.usage,
            gaps=told(self._config.gaps, gaps),
            plan_id=recorder.plan_id,
            verdict=_verdict(turn.sheet.causes, diagnosis),
        )

    async def _messages(
        self, turn: Turn, reading: ModelReading
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
            question=turn.question.text,
            brief=await reading.brief(turn.recorder.evidence),
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
        absent = {**reading.unavailable(self._config.gaps), **turn.recorder.toolbox.absent}
        return prompts.render(
            "investigate",
            platform=self._config.platform,
            language="Chinese" if turn.texts.language == "zh" else "English",
            timezone=turn.question.voice.timezone,
            now=f"{self._clock.now():%Y-%m-%d %H:%M} UTC",
            asker=turn.question.asker,
            place=turn.question.trigger,
            services=", ".join(sorted(self._catalogue().services)) or "none",
            metrics=", ".join(sorted(self._catalogue().metrics)) or "none",
            playbooks=", ".join(self._config.playbooks()) or "none",
            gaps="; ".join(f"{k}: {v}" for k, v in absent.items()) or "nothing",
        )


class _Prose:
    """What the model writes, on its way to the reader."""

    def __init__(self, turn: Turn, redactor: Redactor) -> None:
        self._turn, self._redactor = turn, redactor
        self._release = Release(turn.recorder.index)
        self._said: list[str] = []

    async def say(self, text: str) -> None:
        """Take a piece; show the sentences that it completes and that may be shown."""
        await self._show(self._release.push(text))

    async def end(self) -> str:
        """Show the rest and how much was withheld; return everything that was shown."""
        await self._show(self._release.flush())
        text = "".join(self._said).strip()
        if self._release.withheld:
            note = self._turn.texts.say("answer.withheld", count=len(self._release.withheld))
            text = f"{text}\n{note}"
            await self._turn.reply.say(f"\n{note}")
        return text

    async def _show(self, sentences: Iterable[str]) -> None:
        # Redacted as a sentence: a stream cuts anywhere, also in the middle of a secret.
        for sentence in map(self._redactor.text, sentences):
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


def _verdict(causes: tuple[Cause, ...], diagnosis: Diagnosis) -> Conclusion:
    """Return what the model's answer comes to: proved is what the brief proved."""
    if not causes:
        return diagnosis.verdict
    proved = {cause.service for cause in diagnosis.causes if cause.proved}
    return Conclusion.CAUSE if causes[0].service in proved else Conclusion.SUSPECTS


def _confidence(text: str, otherwise: float) -> float:
    """Read the answer's last `Confidence:` line."""
    for line in reversed(text.splitlines()):
        head, colon, word = line.replace("：", ":").partition(":")
        if colon and head.strip(" *").lower() in {"confidence", "置信度"}:
            return _CONFIDENCE.get(word.strip(" *.").lower(), otherwise)
    return otherwise
