"""A small production with people, for tests of plans: real store, real actions, fake cluster.

shop       a deployment with two revisions, an autoscaler and pods, in `trading`
cart       a second deployment, for plans of several steps
vault      protected by the catalogue
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from bot.core.ports import Person, PlanRecord
from bot.core.remediation.assembly import Remediation, RemediationPorts, build_remediation
from bot.core.remediation.guarding.gate import Anchored, nothing_anchored
from bot.domain.access import AccessConfig, Role
from bot.domain.audit import BOT, Anchor, Event
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans.plan_life import PlanState
from bot.domain.plans.policy import PolicyConfig
from bot.domain.plans.step_run import StepRun
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import SqlStore
from playbooks.loader import Loaded, parse
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tools.act.actions import ACTIONS
from tools.act.contract import Action, Actors
from tools.errors import BackendUnavailableError, NotFoundError
from tools.ports import HttpCaller
from tools.world import (
    Catalogue,
    ProposalDraft,
    ProposalReceipt,
    ServiceMode,
    ServiceName,
    ServiceSpec,
    WorkloadRef,
)

START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
INCIDENTS = ChannelId("C1INCIDENTS")
VIV, RAY, ANN, BOB, ADA = (UserId(f"U{name}") for name in ("VIV", "RAY", "ANN", "BOB", "ADA"))
GUEST = UserId("UGUEST")
PEOPLE = (
    *(
        Person(user, user[1:].title(), f"{user[1:].lower()}@example.test")
        for user in (VIV, RAY, ANN, BOB, ADA)
    ),
    Person(GUEST, "Guest", guest=True),
)


class FakeDirectory:
    """Implements the port Directory; `down` makes it unreachable, `unconfirmed` what is fresh."""

    def __init__(self, *people: Person) -> None:
        self.people = {each.id: each for each in people or PEOPLE}
        self.down = self.unconfirmed = False

    async def person(self, user: UserId) -> Person:
        if self.down:
            raise BackendUnavailableError("slack", "does not answer")
        try:
            return self.people[user]
        except KeyError:
            raise NotFoundError(f"nobody is called {user!r}") from None

    async def confirm(self, users: Collection[UserId]) -> dict[UserId, Person]:
        if self.down or self.unconfirmed:
            raise BackendUnavailableError("slack", "does not answer")
        return {user: self.people[user] for user in users if user in self.people}


def deployment(
    name: str, *, labels: Mapping[str, str] | None = None, namespace: str = "trading"
) -> list[dict[str, Any]]:
    template = _template(name, 2)
    item = {
        "kind": "Deployment",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{name}",
            "labels": dict(labels or {}),
            "annotations": {},
        },
        "spec": {"replicas": 3, "template": template},
    }
    sets = [_replica_set(name, revision, namespace) for revision in (1, 2)]
    pods = [_pod(name, index, namespace) for index in range(3)]
    return [item, *sets, *pods]


def _template(name: str, revision: int) -> dict[str, Any]:
    container = {"name": name, "image": f"{name}:{revision}"}
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}


def _replica_set(name: str, revision: int, namespace: str) -> dict[str, Any]:
    owner = {"kind": "Deployment", "name": name, "uid": f"uid-{name}", "controller": True}
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-h{revision}",
            "uid": f"uid-{name}-h{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [owner],
        },
        "spec": {"template": _template(name, revision)},
    }


def _pod(name: str, index: int, namespace: str) -> dict[str, Any]:
    owner = {"kind": "ReplicaSet", "name": f"{name}-h2", "uid": f"uid-{name}-h2"}
    ready = {"type": "Ready", "status": "False" if index == 1 else "True"}
    return {
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": f"{name}-h2-{index}",
            "uid": f"uid-{name}-{index}",
            "labels": {"app": name},
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": {"nodeName": "node-a"},
        "status": {"phase": "Running", "conditions": [ready]},
    }


def autoscaler(name: str) -> dict[str, Any]:
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"namespace": "trading", "name": name, "uid": f"uid-hpa-{name}"},
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": name},
            "minReplicas": 2,
            "maxReplicas": 4,
        },
        "status": {"currentReplicas": 3},
    }


def service(name: str, **changes: Any) -> ServiceSpec:
    ref = WorkloadRef("default", "trading", "Deployment", name)
    return replace(ServiceSpec(ServiceName(name), "trading", (ref,)), **changes)


SCALE = """
id: scale-up
name: Scale up
description: More pods
trigger_conditions: ["cpu_usage > 0.8"]
risk_override: 0.3
steps:
  - name: Scale
    action: hpa_scale
    target: "Deployment/{{ workload }}"
    parameters: {add_replicas: 2}
verify: [{expression: cpu_usage < 0.8, window_seconds: 600}]
"""
ROLLBACK = """
id: rollback
name: Rollback
description: The previous revision
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {name: Roll back, action: deployment_rollback, target: "{{ workload }}"}
verify: [{expression: order_error_rate < 2%, window_seconds: 600}]
"""
RESTART = """
id: restart
name: Restart
description: Delete the worst pod
trigger_conditions: ["memory_usage > 0.9"]
risk_override: 0.25
steps:
  - {name: Restart, action: pod_restart, target: "{{ target_pod }}"}
verify: [{expression: memory_usage < 0.9, window_seconds: 600}]
"""
BOTH = """
id: both
name: Roll back both
description: Two rollbacks and a scale
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {name: First, action: deployment_rollback, target: shop}
  - {name: Second, action: deployment_rollback, target: cart}
  - {name: Third, action: hpa_scale, target: Deployment/shop, parameters: {add_replicas: 2}}
verify: [{expression: order_error_rate < 2%, window_seconds: 600}]
"""
MANUAL = ROLLBACK.replace("id: rollback", "id: manual").replace("0.5", "0.7")
FORBIDDEN = ROLLBACK.replace("id: rollback", "id: forbidden").replace("0.5", "0.9")
TEXTS = (SCALE, ROLLBACK, RESTART, BOTH, MANUAL, FORBIDDEN)


def library(*texts: str) -> dict[str, Loaded]:
    loaded = [_loaded(text) for text in texts or TEXTS]
    return {each.playbook.id: each for each in loaded}


@cache
def _loaded(text: str) -> Loaded:
    """Read a playbook once: every small production has the same ones, and nobody changes one."""
    return parse(text.encode(), "test.yaml", frozenset(ACTIONS))


def populate(cluster: FakeCluster) -> None:
    """Put the small production's objects into a cluster."""
    for name in ("shop", "cart", "vault"):
        for item in deployment(name):
            cluster.put(item)
    cluster.put(autoscaler("shop"))
    cluster.put({"kind": "Namespace", "metadata": {"name": "trading", "namespace": ""}})


def services() -> dict[str, ServiceSpec]:
    """Return the small production's services by name."""
    vault = service("vault", protected=True)
    return {"shop": service("shop"), "cart": service("cart"), "vault": vault}


class SmallProduction:
    """What a test looks at: the plans in the store, and what became of the cluster."""

    store: SqlStore
    cluster: FakeCluster

    async def record(self, plan: PlanId) -> PlanRecord:
        async with self.store.begin() as tx:
            return await tx.plans.get(plan)

    async def steps(self, plan: PlanId) -> list[StepRun]:
        async with self.store.begin() as tx:
            return await tx.plans.steps(plan)

    async def audit(self, subject: str = "") -> list[str]:
        async with self.store.begin() as tx:
            return [row.event.kind for row in await tx.audit.tail(1000, subject)]

    def images(self) -> dict[str, str]:
        found = {}
        for name in ("shop", "cart"):
            item = self.cluster.objects["Deployment", "trading", name]
            found[name] = item["spec"]["template"]["spec"]["containers"][0]["image"]
        return found

    def limits(self) -> tuple[int, int]:
        spec = self.cluster.objects["HorizontalPodAutoscaler", "trading", "shop"]["spec"]
        return spec["minReplicas"], spec["maxReplicas"]


@dataclass
class Production(SmallProduction):
    """The decision side over the small production; `replica` builds another over the same store.

    Here a test holds policy, access, files and measurements in its hand while the bot is at work.
    The whole bot over the same production is `tests.fixtures.shift.Shift`.
    """

    store: SqlStore
    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    directory: FakeDirectory = field(default_factory=FakeDirectory)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    http: HttpCaller | None = None
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    metrics: dict[tuple[str, str], float] = field(default_factory=dict)
    actions: dict[str, Action] = field(default_factory=lambda: dict(ACTIONS))
    playbooks: dict[str, Loaded] = field(default_factory=library)
    services: dict[str, ServiceSpec] = field(default_factory=dict)
    halt_file: str = ""
    anchored: Anchored = nothing_anchored
    access: AccessConfig = field(
        default_factory=lambda: AccessConfig(
            {
                Role.VIEWER: ("*",),
                Role.RESPONDER: (RAY,),
                Role.APPROVER: (ANN, BOB),
                Role.ADMIN: (ADA,),
            }
        )
    )

    async def put_into(self, record: PlanRecord, state: PlanState) -> None:
        """Put a plan into a state as the bot does: with the audit row that proves it."""
        async with self.store.begin() as tx:
            moved = await tx.plans.move(record.to(state))
            facts = {"status": moved.status.value, "version": moved.version}
            plan = record.plan
            event = Event("plan.moved", self.clock.now(), BOT, plan.id, "", plan.digest, facts)
            await tx.audit.append(event)

    def __post_init__(self) -> None:
        populate(self.cluster)
        self.services = services()
        self.bot = self.replica("one")

    def replica(self, owner: str) -> Remediation:
        return build_remediation(
            RemediationPorts(
                store=self.store,
                clock=self.clock,
                directory=self.directory,
                actors=Actors(self.clock, self.cluster, self.http),
                actions=self.actions,
                library=lambda: self.playbooks,
                catalogue=lambda: Catalogue(
                    {}, {ServiceName(k): v for k, v in self.services.items()}
                ),
                measure=self.measure,
                place_of=lambda _: Place(INCIDENTS),
                texts=Texts("en"),
                redactor=Redactor(),
                access=lambda: self.access,
                policy=lambda: self.policy,
                halt_file=lambda: self.halt_file,
                anchored=self._anchored,
                owner=owner,
            )
        )

    async def _anchored(self) -> Anchor | None:
        return await self.anchored()

    async def measure(self, metric: str, service: str) -> float | None:
        return self.metrics.get((metric, service))

    def set_mode(self, name: str, mode: ServiceMode) -> None:
        self.services[name] = replace(self.services[name], mode=mode)

    async def propose(
        self, playbook: str, service: str = "shop", **parameters: str
    ) -> ProposalReceipt:
        draft = ProposalDraft(playbook, ServiceName(service), "because", parameters)
        return await self.bot.planner.propose(draft)

    async def planned(self, playbook: str, service: str = "shop") -> PlanId:
        receipt = await self.propose(playbook, service)
        assert receipt.plan_id is not None, receipt
        return PlanId(receipt.plan_id)

    async def approve(self, plan: PlanId, *users: UserId) -> Any:
        said = None
        for user in users or (ANN,):
            said = await self.bot.approvals.approve(plan, user, INCIDENTS)
        return said

    async def approved(self, playbook: str, service: str = "shop", *users: UserId) -> PlanId:
        plan = await self.planned(playbook, service)
        said = await self.approve(plan, *users)
        assert said.accepted, said
        return plan

    async def run(self, bot: Remediation | None = None) -> None:
        await (bot or self.bot).execution.run_due()
