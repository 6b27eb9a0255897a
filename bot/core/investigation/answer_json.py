"""An answer as plain JSON: what `ask --json` prints, and nothing that is not promised."""

from __future__ import annotations

from typing import Any

from bot.core.ports import PlanRecord
from bot.domain.answer import Answer, Conclusion, Evidence
from tools.world import Cause, CauseStep


def answer_to_json(answer: Answer, plan: PlanRecord | None) -> dict[str, Any]:
    """Return the object; healthy means an empty `causes`, `plan` is the one that it proposed."""
    usage = answer.usage
    return {
        "answer": answer.text,
        "conclusion": answer.conclusion,
        "verdict": (answer.verdict or Conclusion.CANNOT_TELL).value,
        "confidence": round(answer.confidence, 3),
        "causes": [_cause(c) for c in answer.causes],
        "evidence": [_evidence(e) for e in answer.evidence],
        "plan": _plan(plan) if plan is not None else None,
        "mode": answer.mode,
        "usage": {
            "steps": usage.steps,
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "usd": usage.usd_micros / 1e6,
            "seconds": round(usage.seconds, 3),
        },
        "gaps": list(answer.gaps),
        "untraced": list(answer.untraced),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "cause": cause.cause,
        "service": cause.service,
        "kind": cause.kind,
        "confidence": round(cause.confidence, 3),
        "evidence": list(cause.evidence),
        "proved": cause.proved,
        "subject": cause.subject,
        "settle": cause.settle,
        "cell": cause.cell,
        "path": [_step(step) for step in cause.path],
    }


def _step(step: CauseStep) -> dict[str, Any]:
    return {
        "sentence": step.sentence,
        "at": step.at.isoformat() if step.at else None,
        "evidence": list(step.evidence),
        "tests": [
            {
                "name": each.name,
                "result": each.result,
                "sentence": each.sentence,
                "evidence": list(each.evidence),
            }
            for each in step.tests
        ],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    window = evidence.window
    return {
        "id": evidence.id,
        "tool": evidence.tool,
        "arguments": evidence.arguments,
        "window": {"start": window.start.isoformat(), "end": window.end.isoformat()}
        if window
        else None,
        "summary": evidence.summary,
        "link": evidence.link,
    }


def _plan(record: PlanRecord) -> dict[str, Any]:
    return {
        "id": record.plan.id,
        "title": record.plan.title,
        "status": record.status.value,
        "tier": record.plan.tier.value,
        "risk": record.plan.risk.score,
        "digest": record.plan.digest,
    }
