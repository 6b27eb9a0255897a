"""Autoscalers that cannot read, have nothing to scale, or are at their end; disruption budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import shortened
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json

HPA = "HorizontalPodAutoscaler"
Wrong = Callable[[Json], bool]


def _target(item: Json) -> Object:
    named = (item.get("spec") or {}).get("scaleTargetRef") or {}
    own = object_of(item, HPA)
    return Object(named.get("kind", ""), own.namespace, named.get("name", ""))


def _conditions(what: str, wrong: Wrong, state: ClusterState) -> Iterator[Sign]:
    for item in state.of(HPA):
        for each in (item.get("status") or {}).get("conditions") or ():
            if wrong(each):
                name, message = object_of(item, HPA).name, shortened(str(each.get("message", "")))
                since = time_of(each.get("lastTransitionTime"))
                yield Sign(_target(item), f"autoscaler {name} {what}: {message}", since=since)


def _is_off(condition: Json, name: str) -> bool:
    return condition.get("type") == name and str(condition.get("status")) == "False"


def _reads_nothing(each: Json) -> bool:
    return _is_off(each, "ScalingActive") and each.get("reason") != "ScalingDisabled"


def _has_no_target(each: Json) -> bool:
    return _is_off(each, "AbleToScale") and each.get("reason") == "FailedGetScale"


def _is_at_most(each: Json) -> bool:
    limited = each.get("type") == "ScalingLimited" and str(each.get("status")) == "True"
    return limited and each.get("reason") == "TooManyReplicas"


def _blocked(state: ClusterState) -> Iterator[Sign]:
    for budget in state.of("PodDisruptionBudget"):
        status = budget.get("status") or {}
        healthy, wanted = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
        if status.get("disruptionsAllowed") == 0 and healthy < wanted:
            own = object_of(budget, "PodDisruptionBudget")
            yield Sign(own, f"disruption budget {own.name} holds every eviction: {healthy} of "
                            f"{wanted} pods are healthy")  # fmt: skip


ANALYSERS = (
    Analyser("autoscaler-without-target", Link.START, (), "scaleTargetRef against what exists",
             lambda state: _conditions("has nothing to scale", _has_no_target, state), 2),
    Analyser("autoscaler-reads-nothing", Link.CARRY, (), "metrics-server, or the adapter it asks",
             lambda state: _conditions("cannot read its metric", _reads_nothing, state), 5),
    Analyser("autoscaler-at-most", Link.CARRY, ("hpa_scale",), "load against the limit of replicas",
             lambda state: _conditions("may not add more", _is_at_most, state), 5),
    Analyser("budget-holds-evictions", Link.CARRY, (), "why its pods are not healthy", _blocked, 7),
)  # fmt: skip
