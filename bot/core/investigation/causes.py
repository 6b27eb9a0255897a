"""The causes a model concludes: it notes them with a tool of its own run, right before it answers.

record_causes(…) ──> CauseSheet of the run ──> Answer.causes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tools.contract import Risk, Tool, ToolResult, tool
from tools.world import Cause, ServiceName


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


def usable(tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Return the catalogue's tools with the run-scoped `record_causes` at the end."""
    return (*tools, record_causes)
