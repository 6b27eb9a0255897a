"""The list's truths, as a store tells them at a time: what a right proposal's value must fit."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from bench.onboarding.judge import Resource, Sample, Truth, Wanted
from bench.onboarding.programs import HERE
from bench.onboarding.stage import Stage
from bench.onboarding.usefulness import Fault
from foundation.yaml_file import read_yaml

WANTED = Path(__file__).parent / "expected.yaml"
ASK_SECONDS = 30.0


def the_list() -> Mapping[str, Any]:
    """Read the stage's own list."""
    value: Mapping[str, Any] = read_yaml(WANTED).value
    return value


def ask(store: str, query: str, at: float) -> list[Sample]:
    """Return what a store answers to an instant query; nothing when it refuses it."""
    asked = {"query": query, "time": f"{at:.3f}"}
    url = f"{store}/api/v1/query"
    got = httpx.post(url, data=asked, timeout=ASK_SECONDS, trust_env=False).json()
    if got.get("status") != "success":
        return []
    result = got["data"]["result"]
    if got["data"]["resultType"] == "scalar":
        return [Sample({}, float(result[1]))]
    return [Sample(each["metric"], float(each["value"][1])) for each in result]


def number(store: str, query: str, matchers: str, at: float) -> float:
    """Return the one number of a truth's query; NaN when there is none."""
    values = [s.value for s in ask(store, query.replace("$id", matchers), at)]
    return values[0] if len(values) == 1 else math.nan


def over_windows(store: str, query: str, matchers: str, at: float) -> list[float]:
    """Return a truth over one, two and five minutes; what a window does not tell is left out."""
    windows = ("[1m]", "[2m]", "[5m]")
    return _real([number(store, query.replace("[2m]", w), matchers, at) for w in windows])


def wanted(stage: Stage, store: str, at: float) -> list[Wanted]:
    """Return each service of the list with its truths at a time."""
    of_kind, held = the_list()["red"], set(stage.given["held_out"])
    return [
        Wanted(
            service=stage.drawn.names[key],
            parts={
                part: [_truth(store, each, stage.matchers(key), at) for each in told]
                for part, told in of_kind[kind].items()
            },
            held_out=kind in held,
        )
        for key, kind in stage.kinds().items()
        if kind in of_kind
    ]


def resources(stage: Stage, store: str, at: float) -> list[Resource]:
    """Return each resource of the list."""
    of_kind, held = the_list()["use"], set(stage.given["held_out"])
    return [
        Resource(
            target=stage.drawn.names[key],
            name=name,
            over=told["over"],
            roles=told["roles"],
            instance=f"{HERE}:{stage.targets[key].port}",
            truth=number(store, told.get("truth", ""), stage.matchers(key), at)
            if "truth" in told
            else math.nan,
            held_out=kind in held,
        )
        for key, kind in stage.kinds().items()
        for name, told in of_kind.get(kind, {}).items()
    ]


def roles() -> Sequence[tuple[str, Sequence[str]]]:
    """Return which roles a metric may have."""
    return [(like, may) for like, may in the_list()["roles"]]


def fault(stage: Stage, store: str, at: float) -> Fault:
    """Return the fault as the broken service's own metrics tell it, over one and five minutes."""
    key = stage.drawn.faulty
    told = the_list()["red"][stage.kinds()[key]]
    name, matchers = stage.drawn.names[key], stage.matchers(key)
    if stage.drawn.fault_kind == "slow":
        low, high = (
            over_windows(store, told["latency"][0][end], matchers, at) for end in ("low", "high")
        )
        return Fault(name, "slow", min(low), max(high))
    bad, whole = (
        over_windows(store, told["errors"][0][end], matchers, at) for end in ("bad", "all")
    )
    shares = _real([b / a if a else math.nan for b, a in zip(bad, whole, strict=False)])
    return Fault(name, "errors", min(shares), max(shares), (min(bad), max(bad)))


def untold(services: Sequence[Wanted]) -> Iterator[str]:
    """Yield the truths that the stage itself does not give: then the stage is wrong, not init."""
    for each in services:
        for part, truths in each.parts.items():
            if all(math.isnan(truth.low) for truth in truths):
                yield f"{each.service} {part}"


def _truth(store: str, told: str | Mapping[str, str], matchers: str, at: float) -> Truth:
    if isinstance(told, str):
        value = number(store, told, matchers, at)
        return Truth(value, value)
    if "low" in told:
        low, high = (over_windows(store, told[end], matchers, at) for end in ("low", "high"))
        return Truth(min(low), max(high))
    bad, whole = (number(store, told[end], matchers, at) for end in ("bad", "all"))
    bad = 0.0 if math.isnan(bad) else bad  # a series that never was is a failure that never was
    return Truth(bad, bad, bad / whole if whole else math.nan)


def _real(values: Sequence[float]) -> list[float]:
    return [each for each in values if math.isfinite(each)] or [math.nan]
