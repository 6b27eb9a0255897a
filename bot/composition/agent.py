"""Who answers: the agent desk over the parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from bot.composition.instances import LiveGaps
from bot.composition.parts import Parts, owner_name
from bot.core.investigation.causes import CauseSheet, usable
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.evidence_pages import ThreadEvidence
from bot.core.investigation.investigator.investigator import Investigator
from bot.core.investigation.turn import DeskConfig
from bot.domain.run import Running
from tools.backends.fleets import named
from tools.contract import Tool, Toolbox
from tools.fleet import Fleet
from tools.ports import EvidenceShelf, PlanDesk

BACKENDS = ("prometheus", "loki", "kubernetes")
PlannerOf = Callable[[Running], PlanDesk]


def agent_desk(parts: Parts, planner: PlannerOf) -> AgentDesk:
    """Build the desk; `planner` gives a run its plan desk."""

    def toolbox_of(run: Running, sheet: CauseSheet) -> Toolbox:
        evidence = ThreadEvidence(parts.store, run.place)
        own: dict[type, object] = {
            CauseSheet: sheet,
            EvidenceShelf: evidence,
            PlanDesk: planner(run),
        }
        ports = parts.ports() | own
        return Toolbox(described(usable(parts.live_files.tools()), ports), ports)

    return AgentDesk(
        store=parts.store,
        clock=parts.clock,
        catalogue=parts.live_files.catalogue,
        investigator=Investigator(parts.live_files.catalogue, parts.live_files.rules),
        toolbox_of=toolbox_of,
        redactor=parts.settings.redactor,
        charts=parts.charts,
        model=parts.model,
        config=DeskConfig(
            owner=owner_name(),
            platform=parts.settings.installation.platform,
            budget=parts.settings.budget,
            playbooks=lambda: tuple(parts.live_files.library()),
            gaps=gaps_of(parts),
        ),
    )


def gaps_of(parts: Parts) -> Mapping[str, str]:
    """Return what an answer should name as not looked at; Claude and Slack are no gaps of it."""
    off = parts.settings.off
    told = {n: f"not configured ({off[n]})" for n in BACKENDS if n in off}
    ports = {"prometheus": parts.metrics, "loki": parts.logs, "kubernetes": parts.cluster}
    return LiveGaps(told, ports)


def described(tools: Iterable[Tool], ports: Mapping[type, object]) -> tuple[Tool, ...]:
    """Return the tools; where there are several instances the description lists their names."""
    told = []
    for each in tools:
        fleets = [p for t in each.injected.values() if isinstance(p := ports.get(t), Fleet)]
        lines = [each.description, *(named(f) for f in fleets if len(f.names) > 1)]
        told.append(replace(each, description="\n\n".join(lines)))
    return tuple(told)
