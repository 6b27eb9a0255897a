"""The causes a model concludes: it notes them with a tool of its own run, beside its answer.

record_causes(…) ──> CauseSheet of the run ──> Answer.causes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from tools.contract import Risk, Tool, ToolResult, tool
from tools.world import Cause, ServiceName


@dataclass(slots=True)
class CauseSheet:
    """Where the model's `record_causes` call is kept for the structured answer.

    `causes` is None until it was called; empty means that the model found nothing wrong.
    """

    causes: tuple[Cause, ...] | None = None


class NotedCause(BaseModel):
    """One cause as the model notes it."""

    model_config = ConfigDict(extra="forbid")

    cause: str = Field(description="One sentence a person can act on.")
    service: str = Field(description="The guilty service, by its catalogue name.")
    kind: str = Field(description="deploy, config, resource, dependency, traffic, data or unknown.")
    confidence: float = Field(description="Between 0 and 1.")
    evidence: list[str] = Field(description='Ids of the evidence behind it, such as "E1".')


@tool(risk=Risk.READ)
async def record_causes(  # noqa: D417 - the sheet is injected, not described to the model
    sheet: CauseSheet, /, causes: list[NotedCause]
) -> ToolResult:
    """Note the causes you concluded. Call it in the same turn as your answer, after its text.

    The turn ends with it: nothing that you write later is read. An empty list says that nothing
    is wrong.

    Args:
        causes: The causes, best first.
    """
    sheet.causes = tuple(map(_cause, causes))
    told = [noted.model_dump() for noted in causes]
    return ToolResult(f"{len(causes)} cause(s) noted", {"causes": told})


def _cause(noted: NotedCause) -> Cause:
    return Cause(
        noted.cause,
        ServiceName(noted.service),
        noted.kind,
        min(1.0, max(0.0, noted.confidence)),
        tuple(dict.fromkeys(each.strip(" []") for each in noted.evidence)),
    )


def usable(tools: Sequence[Tool]) -> tuple[Tool, ...]:
    """Return the catalogue's tools with the run-scoped `record_causes` at the end."""
    return (*tools, record_causes)
