"""What a killed bot was doing: a plan of each action there is, and one of three steps.

Each story says what it may change at the imitated production, once: forward, and on its way back.
A story without a way back is left to a person when it does not help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.resources import Resource, find_resource
from tools.backends.kubernetes.kinds import resource_of

Json = dict[str, Any]
NODE = "node-b"
HEAD = """
id: {id}
name: {id}
description: A plan of the safety suite
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
verify: [{{expression: order_error_rate < 2%, window_seconds: 300}}]
steps:
"""
STEP = '  - {{name: Step, action: {action}, target: "{target}", parameters: {{{parameters}}}}}\n'
CALL = (
    'url: "{http}/flags/fast", body: \'{{"state": "off"}}\', undo_url: "{http}/flags/fast", '
    'undo_body: \'{{"state": "on"}}\', probe_url: "{http}/flags/fast", probe_text: \'"off"\''
)


def stored(kind: str) -> Resource:
    """Return the imitated API's resource of a kind."""
    known = resource_of(kind)
    found = find_resource(known.group, known.version, known.plural)
    assert found is not None, kind
    return found


def as_it_is(cluster: Cluster) -> None:
    """Leave the platform as it is."""


def loose_budgets(cluster: Cluster) -> None:
    """Let every budget give one pod."""
    for item in cluster.store.every(stored("PodDisruptionBudget"), ""):
        item["spec"].update(minAvailable=1, maxUnavailable=None)
        cluster.store.put(stored("PodDisruptionBudget"), item)
    cluster.commit()


def cordoned(cluster: Cluster) -> None:
    """Let the node take no pods."""
    node = cluster.store.get(stored("Node"), "", NODE)
    assert node is not None
    node["spec"]["unschedulable"] = True
    cluster.store.put(stored("Node"), node)
    cluster.commit()


def with_flags(cluster: Cluster) -> None:
    """Give the platform a map of flags."""
    meta = {"name": "order-api-flags", "namespace": "trading"}
    data = {"CIRCUIT_BREAKER": "closed", "OTHER": "1"}
    cluster.engine.create(stored("ConfigMap"), {"metadata": meta, "data": data})
    cluster.commit()


@dataclass(frozen=True, slots=True)
class Story:
    """One plan. `forward` and `back` are changing requests, as `effect_of` calls them."""

    name: str
    steps: Sequence[tuple[str, str, str]]  # action, target, parameters in YAML
    forward: Sequence[str]
    back: Sequence[str] = ()
    stands: Mapping[tuple[str, str, str], Sequence[str]] | None = None  # object → fields
    before: Callable[[Cluster], None] = as_it_is
    service: str = "order-api"
    unmarked: bool = False  # its object does not carry which step changed it
    many: bool = False  # how many pods go is counted in the life that is not killed

    def playbook(self, http: str) -> str:
        """Return its playbook's text; `http` is where the imitated service listens."""
        lines = [
            STEP.format(action=action, target=target, parameters=parameters.format(http=http))
            for action, target, parameters in self.steps
        ]
        return HEAD.format(id=self.playbook_id) + "".join(lines)

    @property
    def playbook_id(self) -> str:
        """Return the name of its playbook."""
        return self.name.replace("_", "-")


def _one(
    action: str, target: str, parameters: str, forward: Sequence[str], back: Sequence[str] = (),
    fields: Sequence[str] = (), **more: Any,
) -> Story:  # fmt: skip
    kind, _, name = target.partition("/")
    space = {"Node": "", "Cluster": "data", "CronJob": "data"}.get(kind, "trading")
    stands = {(kind, space, name): fields} if fields else None
    return Story(action, [(action, target, parameters)], forward, back, stands, **more)


def _both_ways(resource: str, name: str) -> dict[str, Sequence[str]]:
    row = f"patch {resource}/{name}"
    return {"forward": [row], "back": [row]}


STORIES: tuple[Story, ...] = (
    Story(
        "three-steps",
        [
            ("deployment_rollback", "order-api", ""),
            ("deployment_rollback", "ledger", ""),
            ("hpa_scale", "Deployment/gateway", "add_replicas: 2"),
        ],
        forward=[
            "patch deployments/order-api", "patch deployments/ledger",
            "patch horizontalpodautoscalers/gateway",
        ],
        back=[
            "patch deployments/order-api", "patch deployments/ledger",
            "patch horizontalpodautoscalers/gateway",
        ],
        stands={
            ("Deployment", "trading", "order-api"): ("spec.template",),
            ("Deployment", "trading", "ledger"): ("spec.template",),
            ("HorizontalPodAutoscaler", "trading", "gateway"): (
                "spec.minReplicas", "spec.maxReplicas",
            ),
        },
    ),
    _one("pod_restart", "Deployment/ledger", "", ["delete pods"]),
    _one("rollout_restart", "Deployment/ledger", "", ["patch deployments/ledger"]),
    _one(
        "hpa_scale", "Deployment/order-api", "min_replicas: 6",
        **_both_ways("horizontalpodautoscalers", "order-api"),
    ),
    _one(
        "scale", "Deployment/ledger", "replicas: 4", fields=["spec.replicas"],
        **_both_ways("deployments", "ledger"),
    ),
    _one(
        "deployment_rollback", "Deployment/risk-engine", "", fields=["spec.template"],
        **_both_ways("deployments", "risk-engine"),
    ),
    _one(
        "config_rollback", "Deployment/risk-engine", "", fields=["spec.template"],
        **_both_ways("deployments", "risk-engine"),
    ),
    _one(
        "circuit_breaker", "ConfigMap/order-api-flags", "", fields=["data"], before=with_flags,
        **_both_ways("configmaps", "order-api-flags"),
    ),
    _one(
        "http_call", "Endpoint/ops", CALL, ["POST /flags/fast"], ["POST /flags/fast"],
    ),
    Story(  # nobody can look what became of it
        "unseen-call",
        [("http_call", "Endpoint/ops", 'url: "{http}/flags/fast", body: \'{{"state": "off"}}\'')],
        forward=["POST /flags/fast"],
    ),
    _one(
        "cordon", f"Node/{NODE}", "", fields=["spec.unschedulable"], **_both_ways("nodes", NODE),
    ),
    _one(
        "uncordon", f"Node/{NODE}", "", fields=["spec.unschedulable"], before=cordoned,
        **_both_ways("nodes", NODE),
    ),
    _one(
        "drain", f"Node/{NODE}", "", [f"patch nodes/{NODE}"] * 2 + ["create pods/eviction"],
        [f"patch nodes/{NODE}"], ["spec.unschedulable"], before=loose_budgets, many=True,
    ),
    _one("run_job", "CronJob/disk-cleanup", "", ["create jobs"], service="postgres"),
    _one(
        "database_failover", "Cluster/postgres", "", fields=["status.currentPrimary"],
        service="postgres", unmarked=True,
        **_both_ways("clusters", "postgres"),
    ),
)  # fmt: skip
BY_NAME = {story.name: story for story in STORIES}


def effect_of(row: Json) -> str:
    """Return an effect at the imitated API in the words of a story."""
    resource = row["resource"].partition(".")[0]
    if resource in {"pods", "jobs"}:  # their names are the cluster's choice
        below = f"/{row['subresource']}" if row["subresource"] else ""
        return f"{row['verb']} {resource}{below}"
    return f"{row['verb']} {resource}/{row['name']}"
