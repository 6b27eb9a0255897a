"""Every tool call of a run becomes evidence: redacted, numbered, committed, shown.

call ──> progress shown ──> tool ──> redact ──> store (E1, E2 …) + audit row ──> model or person
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from bot.core.investigation.figures.index import FigureIndex
from bot.core.ports import Clock, Reply, StepUpdate, Store
from bot.domain.answer import Evidence
from bot.domain.audit import BOT, Event
from bot.domain.ids import EvidenceId, PlanId
from bot.domain.run import Running
from bot.domain.secrets.redaction import Redactor
from tools import paging, tokens
from tools.contract import Toolbox, ToolResult
from tools.errors import BackendError, BadArgumentError, NotFoundError, ToolError
from tools.world import ProposalReceipt

log = structlog.get_logger(__name__)

TOOL_TIMEOUT = timedelta(seconds=45)  # wall time; a slow backend must not eat the whole answer
_GAP = 200  # tokens of a failed call's words in the answer
_NOTICE = 100  # tokens kept free for the lines around a summary
_ELIDED = re.compile(r"^… ", re.MULTILINE)  # how tools end a list they did not show whole
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT(\d\d:\d\d)(?::\d\d)?Z")


@dataclass(frozen=True, slots=True)
class Called:
    """One finished tool call. `result` is None when it failed."""

    evidence: Evidence
    result: ToolResult | None


class Recorder:
    """Calls tools for one run and keeps what they said."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        toolbox: Toolbox,
        redactor: Redactor,
        run: Running,
        reply: Reply,
        titles: Mapping[str, str] | None = None,
    ) -> None:
        """Record for one run; `titles` maps a tool's name to what people read."""
        self._store, self._clock, self._toolbox = store, clock, toolbox
        self._redactor, self._run, self._reply = redactor, run, reply
        self._titles = titles or {}
        self._count = 0
        self.index = FigureIndex()
        self.index.add_text(run.question.text)
        self.evidence: list[Evidence] = []
        self.gaps: dict[str, str] = {}  # backend or tool: why it could not be looked at
        self.own_words: set[EvidenceId] = set()  # failures whose words are ours, no backend's
        self.plan_id: PlanId | None = None  # the first plan proposed: that of the best cause

    @property
    def toolbox(self) -> Toolbox:
        """The tools of this run."""
        return self._toolbox

    async def call(self, name: str, arguments: Mapping[str, Any]) -> Called:
        """Run one tool. A failed tool is evidence too, and a gap; nothing is raised."""
        self._count += 1
        step = StepUpdate(f"step-{self._count}", self._title(name, arguments), "in_progress")
        await self._reply.step(step)
        result: ToolResult | None = None
        ours = True
        try:
            async with asyncio.timeout(TOOL_TIMEOUT.total_seconds()):
                result = await self._toolbox.call(name, arguments)
            summary = result.summary
            self._note_plan(result)
        except ToolError as error:
            summary, ours = str(error), _is_ours(error)
            if name not in self._toolbox.absent:  # what is not configured is told once, by name
                self.gaps[name] = tokens.fit(self._redactor.text(summary), _GAP)[0]
        except Exception as error:  # the boundary of a tool call: told as a gap
            if isinstance(error, TimeoutError):
                summary = f"{name} did not answer within {TOOL_TIMEOUT.total_seconds():.0f} s"
            else:
                log.exception("tool.crashed", run_id=self._run.id, tool=name)
                summary = f"{name} failed inside ({type(error).__name__}); this is a bug of ours"
            self.gaps[name] = summary
        evidence = await self._keep(name, arguments, summary, result)
        if result is None and ours:
            self.own_words.add(evidence.id)
        outcome = "complete" if result is not None else "error"
        await self._reply.step(
            replace(step, status=outcome, output=f"{evidence.id}: {_shown(evidence.summary)}")
        )
        return Called(evidence, result)

    def _note_plan(self, result: ToolResult) -> None:
        receipt = result.value
        if isinstance(receipt, ProposalReceipt) and receipt.plan_id and self.plan_id is None:
            self.plan_id = PlanId(receipt.plan_id)

    async def _keep(
        self, name: str, arguments: Mapping[str, Any], summary: str, result: ToolResult | None
    ) -> Evidence:
        now = self._clock.now()
        text = self._redactor.text(summary)
        text, rest = tokens.fit(text, tokens.MOST_TOKENS - _NOTICE)
        if rest:
            text += f"\n… {rest.count(chr(10)) + 1} more lines, on the next pages"
        payload, left_out = paging.fitted(result.payload if result else None)
        if left_out:
            limit = f"{paging.MOST_BYTES // 1_000_000} MB"
            lost = f"… {left_out} values of the full result are beyond {limit} and were not kept"
            rest = f"{rest}\n{lost}" if rest else lost
        clean: dict[str, Any] = self._redactor.json(dict(arguments))
        async with self._store.begin() as tx:
            evidence = await tx.evidence.add(
                self._run.place,
                self._run.id,
                tool=name,
                arguments=clean,
                summary=text,
                at=now,
                window=result.window if result else None,
                query=self._redactor.text(result.query) if result else "",
                link=result.link if result else "",
                payload=self._redactor.json(payload),
                failed=result is None,
                rest=rest,
            )
            await tx.audit.append(
                Event(
                    kind="tool.called",
                    at=now,
                    actor=BOT,
                    subject=self._run.id,
                    facts={"tool": name, "evidence": evidence.id, "failed": result is None},
                )
            )
        self.evidence.append(evidence)
        self.index.add(evidence)
        log.info("tool.called", run_id=self._run.id, tool=name, evidence=evidence.id)
        return evidence

    def _title(self, name: str, arguments: Mapping[str, Any]) -> str:
        title = self._titles.get(name, name.replace("_", " "))
        about = [str(v) for k, v in arguments.items() if v and k in _TOLD]
        return self._redactor.text(f"{title}: {', '.join(about)}" if about else title)


def _is_ours(error: ToolError) -> bool:
    """Say whether an error speaks of the question alone and quotes no backend."""
    return type(error) in {BadArgumentError, NotFoundError} and not isinstance(
        error.__cause__, BackendError
    )


_TOLD = ("metric", "service", "text", "query", "promql", "playbook_id", "window")


def _shown(summary: str) -> str:
    """Return a summary's first line as people read it: the clock instead of ISO times."""
    return _ISO_TIME.sub(r"\1 UTC", _first_line(summary))


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return f"{line[:157]}…" if len(line) > 158 else line


def for_model(evidence: Evidence) -> str:
    """Return a piece of evidence as the model reads it: marked as data, not instruction."""
    body = evidence.summary.replace("</evidence", "<\\/evidence")
    if evidence.rest or _ELIDED.search(body):
        body += f'\n(more: read_evidence(evidence_id="{evidence.id}", page=2))'
    return f'<evidence id="{evidence.id}" tool="{evidence.tool}">\n{body}\n</evidence>'
