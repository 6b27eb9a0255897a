"""Who answers: the agent desk over the parts."""

from __future__ import annotations

from collections.abc import Callable

from bot.composition.parts import Parts, owner_name
from bot.core.investigator import Investigator
from bot.core.ports import AgentRun
from bot.core.turn import AgentDesk, CauseSheet, DeskConfig, usable
from bot.settings import Settings
from tools.contract import Toolbox
from tools.ports import PlanDesk

PlannerOf = Callable[[AgentRun], PlanDesk]


def agent_desk(parts: Parts, planner: PlannerOf | None) -> AgentDesk:
    """Build the desk; `planner` gives a run its plan desk, None leaves proposing off."""

    def toolbox_of(run: AgentRun, sheet: CauseSheet) -> Toolbox:
        ports = {**parts.ports(), CauseSheet: sheet}
        if planner is not None:
            ports[PlanDesk] = planner(run)
        return Toolbox(usable(parts.shelf.tools()), ports)

    return AgentDesk(
        store=parts.store,
        clock=parts.clock,
        catalogue=parts.shelf.catalogue,
        investigator=Investigator(parts.shelf.catalogue, parts.shelf.rules),
        toolbox_of=toolbox_of,
        redactor=parts.settings.redactor,
        charts=parts.charts,
        model=parts.model,
        config=DeskConfig(
            owner=owner_name(),
            budget=parts.settings.budget,
            max_output_tokens=parts.settings.document.llm.max_tokens,
            playbooks=lambda: tuple(parts.shelf.library()),
            gaps=gaps_of(parts.settings),
        ),
    )


def gaps_of(settings: Settings) -> dict[str, str]:
    """Return what an answer should name as not looked at; Claude and Slack are no gaps of it."""
    told = ("prometheus", "loki", "kubernetes")
    return {name: f"not configured ({settings.off[name]})" for name in told if name in settings.off}
