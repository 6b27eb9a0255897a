"""Random small clusters, random plans, somebody who meddles: nothing protected is ever changed.

    build a cluster ─> propose and approve ─> meddle ─> run ─> each change judged as it is made

Who is judged by is written twice: here by walking all objects, in `tools.ownership` and
`tools.act.reach` by asking for few. `Watched` looks at the world in the moment of each change.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.domain.plans.policy import PolicyConfig
from playbooks.loader import Loaded, parse
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import ANN, BOB, INCIDENTS, Production, deployment, service
from tests.fixtures.database import sqlite_store
from tools.act.actions import ACTIONS
from tools.world import WorkloadRef

Json = dict[str, Any]
NAMES = ("shop", "cart", "vault", "shop-vault")
NODES = ("node-a", "node-b")
PROTECTED_SERVICES = frozenset({"vault", "shop-vault"})
PROTECTED_NAMESPACE, LABEL = "quiet", ("do-not-remediate", "true")
SPACES = ("trading", "web", PROTECTED_NAMESPACE)
TRIALS = 60
PLAYBOOK = """
id: {id}
name: {id}
description: One step
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {{name: Step, action: {action}, target: "{target}", parameters: {{{parameters}}}}}
verify: [{{expression: order_error_rate < 2%, window_seconds: 600}}]
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """What the trials showed."""

    trials: int
    changes: int  # requests that changed something
    refused: int  # trials in which nothing was changed
    violations: tuple[str, ...]  # changes that reached something protected
    by_action: Mapping[str, int] = field(default_factory=dict)  # changes


class Watched(FakeCluster):
    """Judges each change in the moment it is made, and lets somebody meddle between two."""

    def __init__(self) -> None:
        super().__init__()
        self.violations: list[str] = []
        self.meddle: list[Callable[[], None]] = []  # one after each change

    async def patch(self, ref: WorkloadRef, *args: Any, **more: Any) -> Any:
        self._judge(ref, **more)
        answer = await super().patch(ref, *args, **more)
        self._between(**more)
        return answer

    async def delete(self, ref: WorkloadRef, **more: Any) -> None:
        self._judge(ref, **more)
        await super().delete(ref, **more)
        self._between(**more)

    def _judge(self, ref: WorkloadRef, *, dry_run: bool, **_: Any) -> None:
        if not dry_run:
            found = sorted({why for each in reached(self, ref) if (why := protects(self, each))})
            self.violations += [f"{ref}: {why}" for why in found]

    def _between(self, *, dry_run: bool, **_: Any) -> None:
        if not dry_run and self.meddle:
            self.meddle.pop(0)()


# --- the oracle ---------------------------------------------------------------------------------


def every(cluster: FakeCluster, kind: str) -> list[Json]:
    return [item for (each, _, _), item in sorted(cluster.objects.items()) if each == kind]


def above(cluster: FakeCluster, item: Json) -> Iterator[Json]:
    """Yield an object and whoever owns it, by uid, through all there is."""
    yield item
    uids = {each["uid"] for each in item["metadata"].get("ownerReferences") or ()}
    for other in list(cluster.objects.values()):
        if other["metadata"].get("uid") in uids:
            yield from above(cluster, other)


def before(cluster: FakeCluster, pod: Json) -> Iterator[Json]:
    """Yield the Services that select a pod, and whoever owns the other pods they select."""
    labels, space = pod["metadata"].get("labels") or {}, pod["metadata"]["namespace"]
    for each in every(cluster, "Service"):
        selector = each["spec"].get("selector") or {}
        if each["metadata"]["namespace"] != space or not selector:
            continue
        if selector.items() <= labels.items():
            yield each


def below(cluster: FakeCluster, workload: Json) -> list[Json]:
    uid = workload["metadata"]["uid"]
    return [
        pod
        for pod in every(cluster, "Pod")
        if uid in {each["metadata"].get("uid") for each in above(cluster, pod)}
    ]


def reached(cluster: FakeCluster, ref: WorkloadRef) -> list[Json]:
    """Return everything that a change of one object reaches."""
    space = "" if ref.kind == "Node" else ref.namespace
    item = cluster.objects[ref.kind, space, ref.name]
    found = list(above(cluster, item))
    if ref.kind == "HorizontalPodAutoscaler":
        aim = item["spec"]["scaleTargetRef"]
        scaled = cluster.objects.get((aim["kind"], ref.namespace, aim["name"]))
        found += list(above(cluster, scaled)) if scaled is not None else []
        item = scaled or item
    pods = [item] if ref.kind == "Pod" else below(cluster, item)
    for pod in pods:
        found += [pod, *before(cluster, pod)]
    return found


def protects(cluster: FakeCluster, item: Json) -> str:
    """Return why an object must not be reached, empty when it may."""
    meta, kind = item["metadata"], item["kind"]
    space = cluster.objects.get(("Namespace", "", meta.get("namespace") or ""), {})
    template = (item.get("spec") or {}).get("template") or {}
    carried = [(each.get("metadata") or {}).get("labels") or {} for each in (item, template, space)]
    name = f"{kind}/{meta['name']}"
    if meta.get("namespace") == PROTECTED_NAMESPACE:
        return f"{name} is in a protected namespace"
    if any(labels.get(LABEL[0]) == LABEL[1] for labels in carried):
        return f"{name} carries the label, or its namespace does"
    if kind in {"Deployment", "Service"} and meta["name"] in PROTECTED_SERVICES:
        return f"{name} belongs to a protected service"
    if kind == "Service":
        selector = item["spec"]["selector"]
        for pod in every(cluster, "Pod"):
            labels = pod["metadata"].get("labels") or {}
            same = pod["metadata"]["namespace"] == meta["namespace"]
            owners = {each["metadata"]["name"] for each in above(cluster, pod)}
            if same and selector.items() <= labels.items() and owners & PROTECTED_SERVICES:
                return f"{name} also serves a protected service"
    return ""


# --- one trial ----------------------------------------------------------------------------------


def build(cluster: FakeCluster, chance: random.Random) -> None:
    """Fill a cluster: deployments in some namespaces, autoscalers, Services, an operator's own."""
    for name in NODES:
        cluster.put({"kind": "Node", "metadata": {"name": name}, "spec": {}})
    for space in SPACES:
        cluster.put({"kind": "Namespace", "metadata": {"name": space, "labels": {}}})
    for name in NAMES:
        space = chance.choice(SPACES) if name == "cart" else "trading"
        for item in deployment(name, namespace=space):
            if item["kind"] == "Pod":
                apart = name in PROTECTED_SERVICES and chance.random() < 0.97
                item["spec"]["nodeName"] = NODES[0] if apart else chance.choice(NODES)
            cluster.put(item)
    for name in ("shop", "cart"):
        aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": chance.choice(NAMES)}
        cluster.put(
            {
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"namespace": "trading", "name": name},
                "spec": {"scaleTargetRef": aim, "minReplicas": 2, "maxReplicas": 6},
                "status": {"currentReplicas": 3},
            }
        )
    for number in range(chance.randint(0, 2)):
        serve(cluster, f"front-{number}", chance)


def serve(cluster: FakeCluster, name: str, chance: random.Random) -> None:
    """Put a Service before some pods."""
    app = chance.choice(NAMES)
    metadata = {"namespace": "trading", "name": name, "labels": {}}
    selector = {"app": app} if chance.random() < 0.7 else {"tier": "front"}
    cluster.put({"kind": "Service", "metadata": metadata, "spec": {"selector": selector}})
    if "tier" in selector:
        for each in chance.sample(NAMES, 2):
            for pod in every(cluster, "Pod"):
                if pod["metadata"]["name"].startswith(f"{each}-h2"):
                    pod["metadata"]["labels"]["tier"] = "front"


def meddle(cluster: FakeCluster, chance: random.Random) -> None:
    """Change one thing that decides who may be touched."""
    match chance.randrange(5):
        case 0 | 1:
            item = chance.choice(list(cluster.objects.values()))
            labels = item["metadata"].get("labels") or {}
            item["metadata"]["labels"] = {**labels, LABEL[0]: LABEL[1]}
        case 2:
            scaler = chance.choice(every(cluster, "HorizontalPodAutoscaler"))
            scaler["spec"]["scaleTargetRef"]["name"] = chance.choice(NAMES)
        case 3:
            serve(cluster, f"late-{chance.randrange(9)}", chance)
        case _:
            if pods := every(cluster, "Pod"):
                chance.choice(pods)["spec"]["nodeName"] = chance.choice(NODES)


def playbook(chance: random.Random) -> Loaded:
    """Return one step of some action on some object."""
    name = chance.choice(NAMES[:2])
    action, target, parameters = chance.choice(
        (
            ("drain", f"Node/{chance.choice(NODES)}", ""),
            ("drain", f"Node/{NODES[1]}", ""),
            ("pod_restart", f"Pod/{name}-h2-{chance.randrange(3)}", ""),
            ("pod_restart", f"Deployment/{name}", ""),
            ("rollout_restart", f"Deployment/{name}", ""),
            ("deployment_rollback", f"Deployment/{name}", ""),
            ("scale", f"Deployment/{name}", "replicas: 4"),
            ("hpa_scale", f"HorizontalPodAutoscaler/{name}", "add_replicas: 1"),
        )
    )
    text = PLAYBOOK.format(id="one", action=action, target=target, parameters=parameters)
    return parse(text.encode(), "reach.yaml", frozenset(ACTIONS))


async def trial(database: Path, chance: random.Random) -> tuple[Watched, str]:
    """Build, propose, approve, meddle, run; returns the cluster and the action."""
    loaded, cluster = playbook(chance), Watched()
    action = loaded.playbook.steps[0].action
    async with sqlite_store(database) as store:
        world = Production(store, playbooks={"one": loaded}, cluster=cluster)
        cluster.objects.clear()
        build(cluster, chance)
        world.policy = PolicyConfig(protected_namespaces=(PROTECTED_NAMESPACE,))
        world.services = {
            name: service(name, protected=name in PROTECTED_SERVICES) for name in NAMES
        }
        for _ in range(chance.randint(0, 1)):
            meddle(cluster, chance)
        receipt = await world.propose("one")
        if receipt.plan_id is not None:
            for user in (ANN, BOB):
                await world.bot.approvals.approve(receipt.plan_id, user, INCIDENTS)  # type: ignore[arg-type]
            for _ in range(chance.randint(0, 1)):
                meddle(cluster, chance)
            cluster.meddle = [
                (lambda: meddle(cluster, chance)) if chance.random() < 0.5 else _nothing
                for _ in range(3)
            ]
            await world.run()
        await world.bot.execution.idle()
    return cluster, action


def _nothing() -> None:
    """Leave the world as it is."""


async def measure(folder: Path, by: int, trials: int = TRIALS) -> Reached:
    """Try many clusters."""
    chance, violations, done = random.Random(by), [], Counter[str]()
    quiet = 0
    for number in range(trials):
        cluster, action = await trial(folder / f"reach-{number}.db", chance)
        violations += [f"trial {number}, {action}: {each}" for each in cluster.violations]
        done[action] += len(cluster.sent)
        quiet += not cluster.sent
    return Reached(trials, done.total(), quiet, tuple(violations), dict(done))


def told(found: Reached) -> Sequence[str]:
    """Return what a person wants to know of it."""
    head = (
        f"{found.trials} clusters, {found.changes} changes, nothing changed in {found.refused}; "
        f"changes by action: {dict(sorted(found.by_action.items()))}"
    )
    return (head, *found.violations)
