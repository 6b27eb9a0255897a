"""The tool that says which metrics a store has beyond the catalogue, and by which labels.

    names, metadata ──words──> metrics ──count──> how many series ──a sample──> labels and values

Each step is bounded: one question for all counts, one sample of at most a hundred series for each
of the few metrics that are described.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import re2

from foundation.nearest import nearest
from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.errors import BadArgumentError, NotFoundError
from tools.fleet import silence
from tools.observe.asking import place_of, service_of
from tools.observe.expressions import sought
from tools.observe.metric_names import NamedMetric, matching, named_metrics
from tools.ports import Clock, MetricAbout, Metrics, SaysAllMetadata
from tools.world import DEFAULT_CLUSTER, Catalogue, Labels, ServiceSpec, WorkloadRef

DESCRIBED = 8  # metrics whose labels are read
LISTED = 40  # named in the summary
COUNTED = 60  # metrics whose series are counted in one question
SAMPLE = 100  # series of one metric that are read for its labels
MOST_SERIES = 200_000  # of one metric whose labels are read
FEW = 6  # values of a label that are told one by one
LONGEST_HELP, LONGEST_VALUE = 120, 40
UNKNOWN = "?"  # whose a series is when no label says it
NAMING = (
    "service", "service_name", "app", "app_kubernetes_io_name", "job", "container", "deployment",
    "statefulset", "workload", "destination_workload",
)  # fmt: skip


@tool(risk=Risk.READ)
async def find_metrics(
    metrics: Metrics,
    clock: Clock,
    catalogue: Catalogue,
    /,
    text: str = "",
    service: str = "",
    instance: str = "",
) -> ToolResult:
    """Find metrics outside the catalogue by words: type, unit, help, series, labels and values.

    Use it before query_promql, to know names and labels instead of guessing them.

    Args:
        text: Words of a name or its help ("connection pool"), or /RE2/. Empty with a service: all.
        service: Only metrics with series of this service, by name or alias; empty for any.
        instance: Metrics store by name; empty for the one of the service's cluster, or all.
    """
    words, pattern = sought(text)
    if not (text.strip() or service.strip()):
        raise BadArgumentError("say what to find: words of a metric's name or help, or a service")
    _, place = place_of(metrics, catalogue, service.strip(), instance)
    spec = service_of(catalogue, service) if service.strip() else None
    every = named_metrics(await place.metric_names(), await _abouts(place))
    found, note = matching(every, words, pattern)
    now = clock.now()
    where = _conditions(spec, catalogue)
    counts: dict[str, int] = {}
    if spec is not None or len(found) <= COUNTED:
        counts = await _counts(place, found, where, now)
    if spec is not None:
        found = [each for each in found if counts.get(each.sampled)]
    if not found:
        raise _nothing(text, spec, every)
    described = await asyncio.gather(
        *(_described(place, catalogue, each, where, counts, now) for each in found[:DESCRIBED])
    )
    rows = [*described, *(_row(each, counts) for each in found[DESCRIBED:])]
    whose = f" with series of {spec.name}" if spec is not None else ""
    lines = [f"{len(rows)} of {len(every)} metrics match{whose}, best first"]
    lines += [f"NOTE: {note}"] if note else []
    lines += [_line(row) for row in rows[:LISTED]]
    if len(rows) > LISTED:
        lines.append(f"… {len(rows) - LISTED} more in the evidence; more words find fewer")
    payload = {"count": len(rows), "known": len(every), "metrics": rows, "note": note}
    return ToolResult("\n".join([*lines, *silence(place)]), payload, value=tuple(found))


async def _abouts(place: Metrics) -> dict[str, MetricAbout]:
    """Return what the store says of its metrics; one that keeps no metadata says nothing."""
    if not isinstance(place, SaysAllMetadata):
        return {}
    return {each.name: each for each in await place.every_about()}


def _conditions(spec: ServiceSpec | None, catalogue: Catalogue) -> list[str]:
    """Return the ways in which a series may say that it is a service's; one empty for any."""
    if spec is None:
        return [""]
    names = {spec.label, spec.name.partition("@")[0], *(ref.name for ref in spec.workloads)}
    called = _quoted("|".join(re2.escape(each) for each in sorted(names)))
    keys = dict.fromkeys([*NAMING, *(each.group_by for each in catalogue.metrics.values())])
    found = [f"{key}=~{called}" for key in keys if key.isidentifier() and key.isascii()]
    for ref in spec.workloads:
        pods = _quoted(f"{re2.escape(ref.name)}-.*")
        found.append(f"namespace={_quoted(ref.namespace)},pod=~{pods}")
    return found


async def _counts(
    place: Metrics, found: Sequence[NamedMetric], where: Sequence[str], now: datetime
) -> dict[str, int]:
    """Return how many series each metric has now, by the name of those that are sampled."""
    named = [""]
    if len(found) <= COUNTED:
        either = "|".join(re2.escape(each.sampled) for each in found)
        named = [f"__name__=~{_quoted(either)}"] if found else []
    parts = [",".join(filter(None, [name, each])) for name in named for each in where]
    if not parts:
        return {}
    union = " or ".join(f"{{{part}}}" for part in parts)
    answer = await place.query(f"count by (__name__) ({union})", now)
    counts: dict[str, int] = {}
    for labels, value in answer:
        name = dict(labels).get("__name__", "")
        counts[name] = counts.get(name, 0) + (int(value) if math.isfinite(value) else 0)
    return counts


async def _described(
    place: Metrics,
    catalogue: Catalogue,
    each: NamedMetric,
    where: Sequence[str],
    counts: Mapping[str, int],
    now: datetime,
) -> dict[str, Any]:
    """Return a metric with its labels, from a sample of its series."""
    row = _row(each, counts)
    series = counts.get(each.sampled)
    if series == 0 or (series or 0) > MOST_SERIES:
        return row
    name = f"__name__={_quoted(each.sampled)}"
    union = " or ".join(f"{{{','.join(filter(None, [name, part]))}}}" for part in where)
    sample = [labels for labels, _ in await place.query(f"topk({SAMPLE}, {union})", now)]
    values: dict[str, dict[str, None]] = {}
    for labels in sample:
        for key, value in labels:
            if key != "__name__":
                values.setdefault(key, {})[value] = None
    row["services"] = sorted({whose for labels in sample for whose in _whose(catalogue, labels)})
    row["sampled"] = len(sample)
    row["labels_told"] = [
        {"label": key, "count": len(told), "values": sorted(told)[:FEW] if len(told) <= FEW else []}
        for key, told in sorted(values.items(), key=lambda pair: (len(pair[1]), pair[0]))
    ]
    return row


def _whose(catalogue: Catalogue, labels: Labels) -> Iterable[str]:
    """Return the services that a series may be of, `?` for one that nobody can place."""
    known = dict(labels)
    found = {
        spec.name
        for spec in catalogue.services.values()
        for key in NAMING
        if known.get(key)
        and known[key] in {spec.name, spec.label, *spec.aliases, *(r.name for r in spec.workloads)}
    }
    if known.get("pod") and known.get("namespace"):
        place = known.get("cluster", DEFAULT_CLUSTER)
        ref = WorkloadRef(place, known["namespace"], "Pod", known["pod"])
        found |= {spec.name for spec in catalogue.services_of(ref)}
    return found or {UNKNOWN}


def _row(each: NamedMetric, counts: Mapping[str, int]) -> dict[str, Any]:
    row: dict[str, Any] = {"metric": each.name, "type": each.type, "unit": each.unit}
    row |= {"help": each.help, "members": list(each.members)}
    if each.sampled in counts:
        row["series"] = counts[each.sampled]
    return row


def _line(row: Mapping[str, Any]) -> str:
    """Return a metric as one line: what it is, how many series, by which labels."""
    kind = ", ".join(filter(None, [row["type"], row["unit"]])) or "type unknown"
    parts = [name.removeprefix(row["metric"]) or name for name in row["members"]]
    stored = f" [{' '.join(parts)}]" if parts else ""
    text = f"- {row['metric']}{stored} ({kind})"
    if row["help"]:
        text += f": {shortened_line(row['help'], LONGEST_HELP)}"
    if "series" in row:
        text += f"; {row['series']} series"
    if row.get("labels_told"):
        partly = row["sampled"] >= SAMPLE
        text += f"; labels{' of some' if partly else ''}: "
        text += "; ".join(_label(told, partly=partly) for told in row["labels_told"])
    return text


def _label(told: Mapping[str, Any], *, partly: bool) -> str:
    if not told["values"]:
        return f"{told['label']} ({told['count']}{'+' if partly else ''} values)"
    shown = (shortened_line(value, LONGEST_VALUE) or '""' for value in told["values"])
    return f"{told['label']}={'|'.join(shown)}"


def _nothing(text: str, spec: ServiceSpec | None, every: Sequence[NamedMetric]) -> NotFoundError:
    whose = f" with series of {spec.name!r}" if spec is not None else ""
    if not text.strip():
        return NotFoundError(f"no metric{whose} now; query_metric knows the catalogued ones")
    words = text.lower().split()
    likely = [each.name for each in every if any(word[:4] in each.name for word in words)]
    meant = nearest("_".join(words), likely[:500]) if likely else ""
    return NotFoundError(f"no metric{whose} matches {text!r}; try fewer or other words.{meant}")


def _quoted(value: str) -> str:
    """Write a string as PromQL (Go) does; JSON's escapes are among its own."""
    return json.dumps(value, ensure_ascii=False)
