"""Tools about what is known: past incidents, who calls whom, what time it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.errors import BadArgumentError
from tools.observe.asking import service_of, stamp
from tools.ports import Clock, History
from tools.world import DEFAULT_CLUSTER, Catalogue, ServiceName, ServiceSpec

LONGEST_SNIPPET = 300  # characters of a past case that a line shows
SHOWN_FAILED = 0.001  # of the calls; less is not worth a word


@tool(risk=Risk.READ)
async def search_incidents(history: History, /, text: str) -> ToolResult:
    """Find similar past incidents, postmortems and runbooks, best first.

    They are hints from other days, not evidence for today; verify before concluding.

    Args:
        text: The symptom in a few words, e.g. "latency after deploy, db pool exhausted".
    """
    if not text.strip():
        raise BadArgumentError("text is empty; describe the symptom in a few words")
    found = await history.similar(text, limit=5)
    rows = [asdict(case) for case in found]
    lines = [f"{len(rows) or 'no'} similar documents for {text!r}"]
    lines += [
        f"- [{c.kind} {c.id}] {c.title}: {shortened_line(c.snippet, LONGEST_SNIPPET)}"
        for c in found
    ]
    return ToolResult(
        "\n".join(lines), {"count": len(rows), "documents": rows}, value=tuple(found), query=text
    )


@tool(risk=Risk.READ)
async def service_map(catalogue: Catalogue, /, service: str = "") -> ToolResult:
    """Show services with what they call and who calls them, team, tier and whether protected.

    Calls per second are of the last hour. "discovered" calls were seen in traffic, nobody declared
    them in the catalogue.

    Args:
        service: Service name or alias; empty for the whole map.
    """
    chosen = [service_of(catalogue, service)] if service else list(catalogue.services.values())
    rows = [_row(catalogue, spec) for spec in chosen]
    lines = [f"{len(rows)} services" if not service else f"{chosen[0].name}"]
    for row in rows:
        calls = ", ".join(_told(seen, "server") for seen in row["outgoing"]) or "nothing"
        callers = ", ".join(_told(seen, "client") for seen in row["incoming"]) or "nobody"
        guard = "; PROTECTED" if row["protected"] else ""
        lines.append(
            f"- {row['name']} (tier {row['tier']}, team {row['team'] or 'unknown'}, "
            f"{row['place']}): calls {calls}; called by {callers}; mode {row['mode']}{guard}"
        )
        for kind in ("runbooks", "dashboards") if service else ():
            lines += [f"  {kind}: {', '.join(row[kind])}"] if row[kind] else []
    return ToolResult("\n".join(lines), {"services": rows}, value=tuple(chosen))


def _told(call: Mapping[str, Any], end: str) -> str:
    """Return one call as a person reads it: the other end, how often, and whether it is news."""
    marks = [] if call["declared"] else ["discovered"]
    if call["shown"]:
        marks.append(call["shown"])
    return f"{call[end]} ({', '.join(marks)})" if marks else str(call[end])


def _call(catalogue: Catalogue, client: ServiceName, server: ServiceName) -> dict[str, Any]:
    seen = next((c for c in catalogue.calls if (c.client, c.server) == (client, server)), None)
    spec = catalogue.services.get(client)
    shown = ""
    if seen is not None:
        shown = f"{seen.per_second:.3g}/s"
        if seen.failed_ratio >= SHOWN_FAILED:
            shown += f", {seen.failed_ratio * 100:.2g} % failed"
    return {
        "client": client,
        "server": server,
        "declared": spec is not None and server in spec.dependencies,
        "per_second": round(seen.per_second, 4) if seen else None,
        "failed_percent": round(seen.failed_ratio * 100, 3) if seen else None,
        "source": seen.source if seen else "",
        "shown": shown,
    }


def _row(catalogue: Catalogue, spec: ServiceSpec) -> dict[str, Any]:
    seen = sorted(call.server for call in catalogue.calls if call.client == spec.name)
    callees = dict.fromkeys([*spec.dependencies, *seen])
    outgoing = [_call(catalogue, spec.name, each) for each in callees]
    incoming = [_call(catalogue, each, spec.name) for each in catalogue.dependants(spec.name)]
    return {
        "name": spec.name,
        "namespace": spec.namespace,
        "cluster": spec.cluster,
        "place": spec.namespace
        if spec.cluster in {"", DEFAULT_CLUSTER}
        else f"{spec.cluster}:{spec.namespace}",
        "team": spec.team,
        "tier": spec.tier,
        "calls": [call["server"] for call in outgoing],
        "called_by": [call["client"] for call in incoming],
        "outgoing": outgoing,
        "incoming": incoming,
        "workloads": [str(ref) for ref in spec.workloads],
        "mode": spec.mode.value,
        "protected": spec.protected,
        "aliases": list(spec.aliases),
        "dashboards": list(spec.dashboards),
        "runbooks": list(spec.runbooks),
    }


@tool(risk=Risk.READ)
async def get_time(clock: Clock, /) -> ToolResult:
    """Return the present time in UTC. Every window that has no end ends now.

    Windows of all tools may also be "14:05-14:20", "since 14:05", "today", "yesterday", "last 30
    minutes"; until may be "14:05", the last one there was. All in UTC.
    """
    now = clock.now()
    text = stamp(now)
    return ToolResult(f"It is {text} ({now:%A})", {"now": text, "weekday": f"{now:%A}"}, value=now)
