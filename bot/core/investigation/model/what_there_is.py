"""What a model is told that there is: services, metrics, and what it cannot look at.

Lists are cut to a budget of tokens, gravest services first: on a large platform the model reads the
rest with a tool.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tools import tokens
from tools.catalog import ALL
from tools.observe.knowledge import service_map
from tools.observe.metrics import list_metrics
from tools.world import Catalogue, MetricSpec, ServiceSpec

MOST_TOKENS = 1_200  # of one list

# What tools look at, by the name of their port, in words that people use.
_PORTS: Mapping[str, str] = {
    "Metrics": "metrics (Prometheus)",
    "Baselines": "what is usual for a metric",
    "Logs": "logs (Loki)",
    "Traces": "traces",
    "Cluster": "the Kubernetes cluster",
    "AlertFeed": "firing alerts (Alertmanager)",
    "Changes": "recent changes",
    "Knowledge": "past incidents",
}


def services_told(catalogue: Catalogue) -> str:
    """Return the services with tier and what they call; the lowest tiers first."""
    order = sorted(catalogue.services.values(), key=lambda each: (each.tier, each.name))
    return _fitted([_service(s) for s in order], [s.name for s in order], service_map.name)


def metrics_told(catalogue: Catalogue) -> str:
    """Return the catalogued metrics with unit and meaning."""
    order = [catalogue.metrics[name] for name in sorted(catalogue.metrics)]
    return _fitted([_metric(m) for m in order], [m.name for m in order], list_metrics.name)


def absences_told(gaps: Mapping[str, str], absent: Mapping[str, str]) -> str:
    """Return what cannot be looked at: configured parts that are down, and ports nobody gave.

    `absent` maps a tool's name to the ports it lacks, joined by commas. A tool that is not there is
    not named: a model that hears its name calls it.
    """
    ports = {port for each in absent.values() for port in each.split(", ")}
    words = sorted(_PORTS[port] for port in ports if port in _PORTS)
    told = [*(f"{name}: {why}" for name, why in gaps.items())]
    told += [f"{each}: not connected" for each in words if not _is_told(each, gaps)]
    return "; ".join(told) or "nothing"


def without_absent(description: str, present: Collection[str]) -> str:
    """Return a tool's description without the sentences that send the model to an absent tool."""
    absent = [each.name for each in ALL if each.name not in present]
    lines = [
        ". ".join(part for part in line.split(". ") if not any(name in part for name in absent))
        for line in description.split("\n")
    ]
    return "\n".join(lines)


def _is_told(words: str, gaps: Mapping[str, str]) -> bool:
    return any(name.lower() in words.lower() for name in gaps)


def _fitted(full: Sequence[str], names: Sequence[str], tool: str) -> str:
    """Return items joined; names alone, then fewer of them, where they cost too much."""
    for items in (full, names):
        text = "; ".join(items)
        if tokens.estimate(text) <= MOST_TOKENS:
            return text or "none"
    shown, spent = list[str](), 0
    for name in names:
        spent += tokens.estimate(f"{name}; ")
        if spent > MOST_TOKENS:
            break
        shown.append(name)
    return f"{'; '.join(shown)}; and {len(names) - len(shown)} more, see {tool}"


def _service(spec: ServiceSpec) -> str:
    calls = f", calls {', '.join(sorted(spec.dependencies))}" if spec.dependencies else ""
    return f"{spec.name} (tier {spec.tier}{calls})"


def _metric(spec: MetricSpec) -> str:
    return f"{spec.name} ({', '.join(filter(None, (spec.unit, spec.description)))})"
