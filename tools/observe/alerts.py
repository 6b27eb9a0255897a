"""A tool that reads which alerts fire."""

from __future__ import annotations

from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.observe.asking import service_of, stamp
from tools.ports import AlertFeed, Clock
from tools.world import Catalogue, FiringAlert

SHOWN = 15
LONGEST = 300  # characters of an alert's own words in the summary


@tool(risk=Risk.READ)
async def list_alerts(
    alerts: AlertFeed,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
) -> ToolResult:
    """List the alerts that fire now, told by Alertmanager: their own words, since when, about what.

    An alert says that somebody's rule holds; what it means is for its rule's words and runbook.

    Args:
        service: Service name or alias; its direct dependencies are included. Empty for all.
    """
    found = await alerts.firing()
    whose = ""
    if service:
        spec = service_of(catalogue, service)
        names = {spec.name, *catalogue.dependencies(spec.name)}
        found = [each for each in found if each.service in names]
        whose = f" for {', '.join(sorted(names))}"
    rows = [
        {
            "name": each.name,
            "service": each.service,
            "object": each.subject,
            "severity": each.severity.value,
            "since": stamp(each.since),
            "summary": each.summary,
            "description": each.description,
            "runbook": each.runbook,
        }
        for each in found
    ]
    lines = [f"{len(found) or 'no'} alerts fire{whose} at {stamp(clock.now())}"]
    lines += [_line(each) for each in found[:SHOWN]]
    if len(found) > SHOWN:
        lines.append(f"… {len(found) - SHOWN} more in the evidence")
    return ToolResult("\n".join(lines), {"count": len(rows), "alerts": rows}, value=tuple(found))


def _line(alert: FiringAlert) -> str:
    about = f" ({alert.subject})" if alert.subject else ""
    words = f": {shortened_line(alert.summary, LONGEST)}" if alert.summary else ""
    more = f" – {shortened_line(alert.description, LONGEST)}" if alert.description else ""
    runbook = f"; runbook {shortened_line(alert.runbook, LONGEST)}" if alert.runbook else ""
    return (
        f"- {alert.severity.value.upper()} {alert.name} of {alert.service}{about}, since "
        f"{stamp(alert.since)}{words}{more}{runbook}"
    )
