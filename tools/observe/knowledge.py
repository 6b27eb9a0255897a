"""Tools about what is known: past incidents, who calls whom, what time it is."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from tools.contract import Risk, ToolResult, tool
from tools.errors import BadArgumentError
from tools.observe.asking import service_of, stamp
from tools.ports import Clock, History
from tools.world import Catalogue, ServiceSpec


@tool(risk=Risk.READ)
async def search_incidents(history: History, /, text: str) -> ToolResult:
    """Find similar past incidents, postmortems and runbooks, best first.

    They are hints from other days, not evidence for today; verify before concluding.

    Args:
        text: The symptom in a few words, e.g. "order latency after deploy, db pool exhausted".
    """
    if not text.strip():
        raise BadArgumentError("text is empty; describe the symptom in a few words")
    found = await history.similar(text, limit=5)
    rows = [asdict(case) for case in found]
    lines = [f"{len(rows) or 'no'} similar documents for {text!r}"]
    lines += [f"- [{c.kind} {c.id}] {c.title}: {' '.join(c.snippet.split())[:300]}" for c in found]
    return ToolResult(
        "\n".join(lines), {"count": len(rows), "documents": rows}, value=tuple(found), query=text
    )


@tool(risk=Risk.READ)
async def service_map(catalogue: Catalogue, /, service: str = "") -> ToolResult:
    """Show services with what they call and who calls them, team, tier and whether protected.

    Args:
        service: Service name or alias; empty for the whole map.
    """
    chosen = [service_of(catalogue, service)] if service else list(catalogue.services.values())
    rows = [_row(catalogue, spec) for spec in chosen]
    lines = [f"{len(rows)} services" if not service else f"{chosen[0].name}"]
    for row in rows:
        calls = ", ".join(row["calls"]) or "nothing"
        callers = ", ".join(row["called_by"]) or "nobody"
        guard = "; PROTECTED" if row["protected"] else ""
        lines.append(
            f"- {row['name']} (tier {row['tier']}, team {row['team'] or 'unknown'}, "
            f"{row['namespace']}): calls {calls}; called by {callers}; mode {row['mode']}{guard}"
        )
    return ToolResult("\n".join(lines), {"services": rows}, value=tuple(chosen))


def _row(catalogue: Catalogue, spec: ServiceSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "namespace": spec.namespace,
        "team": spec.team,
        "tier": spec.tier,
        "calls": list(spec.dependencies),
        "called_by": list(catalogue.dependants(spec.name)),
        "workloads": [str(ref) for ref in spec.workloads],
        "mode": spec.mode.value,
        "protected": spec.protected,
        "aliases": list(spec.aliases),
        "dashboards": list(spec.dashboards),
        "runbooks": list(spec.runbooks),
    }


@tool(risk=Risk.READ)
async def get_time(clock: Clock, /) -> ToolResult:
    """Return the present time in UTC. Every window that has no end ends now."""
    now = clock.now()
    text = stamp(now)
    return ToolResult(f"It is {text} ({now:%A})", {"now": text, "weekday": f"{now:%A}"}, value=now)
