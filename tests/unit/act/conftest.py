"""The actions against the sandbox's Kubernetes API, with a wire between them that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.resources import find_resource
from sandbox.kubernetes.server import KubernetesServer, start_kubernetes
from sandbox.world.faults import FaultLog
from tests.fakes.clock import FakeClock
from tests.unit.act.wire import Wire
from tools.act.actions import ACTIONS
from tools.act.contract import ActionResult, Actors, Bound, TargetState, bind, parse_parameters
from tools.backends.kubernetes import KubernetesActor, KubernetesConfig
from tools.backends.kubernetes.kinds import resource_of
from tools.world import WorkloadRef

HOST = "127.0.0.1"
START = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)
Json = dict[str, Any]


@dataclass
class Patience:
    """World time passes while an action waits, until its patience ends."""

    pass_time: Callable[[float], None]
    left: float = 600.0  # seconds of world time

    async def pause(self, seconds: float) -> bool:
        if self.left < seconds:
            return False
        self.left -= seconds
        self.pass_time(seconds)
        return True


@dataclass
class Stage:
    """The simulated production, the acting identity, and the words of a test."""

    cluster: Cluster
    clock: FakeClock
    server: KubernetesServer
    wire: Wire
    actor: KubernetesActor
    extra: dict[str, Any] = field(default_factory=dict)  # further fields of Actors

    @property
    def actors(self) -> Actors:
        ours = Actors(self.clock, self.actor, waiting=Patience(self.pass_time))
        return replace(ours, **self.extra)

    def pass_time(self, seconds: float) -> None:
        """Let world time pass; the cluster moves from timer to timer as it would."""
        self.clock.advance(seconds=seconds)
        self.cluster.tick(self.clock.now().timestamp())

    @property
    def effects(self) -> list[str]:
        """What changing requests were let through, in words."""
        return [
            f"{row['verb']} {row['resource'].partition('.')[0]}"
            f"{'/' + row['subresource'] if row['subresource'] else ''}"
            for row in self.cluster.effects
        ]

    def item(self, ref: WorkloadRef) -> Json:
        """Return the object as the API server holds it."""
        found = self.peek(ref)
        assert found is not None, ref
        return found

    def peek(self, ref: WorkloadRef) -> Json | None:
        return self.cluster.store.get(_stored(ref), ref.namespace, ref.name)

    def every(self, kind: str, namespace: str = "") -> list[Json]:
        return self.cluster.store.every(_stored(WorkloadRef("", "", kind, "")), namespace)

    def change(self, ref: WorkloadRef, change: Callable[[Json], None]) -> None:
        """Change an object as somebody else would."""
        item = self.item(ref)
        change(item)
        self.cluster.store.put(_stored(ref), item)
        self.cluster.commit()

    def create(self, ref: WorkloadRef, body: Mapping[str, Any]) -> Json:
        """Create an object as somebody else would."""
        meta = {"name": ref.name, "namespace": ref.namespace, **body.get("metadata", {})}
        if not ref.namespace:
            del meta["namespace"]
        made = self.cluster.engine.create(_stored(ref), {**body, "metadata": meta})
        self.cluster.commit()
        return made

    def replace_object(self, ref: WorkloadRef) -> None:
        """Delete an object and make it anew: same name, another uid."""
        self.change(ref, lambda item: item["metadata"].update(uid="somebody-else"))

    async def observe(self, name: str, ref: WorkloadRef, **raw: Any) -> TargetState:
        action = ACTIONS[name]
        return await action.observe(self.actors, ref, parse_parameters(action, raw))

    async def bound(self, name: str, ref: WorkloadRef, **raw: Any) -> Bound:
        return bind(ACTIONS[name], await self.observe(name, ref, **raw))

    async def run(self, bound: Bound, key: str = "PLAN-1/do/0") -> ActionResult:
        return await ACTIONS[bound.action].execute(self.actors, bound, key)

    async def undo(self, name: str, state: TargetState, key: str = "PLAN-1/undo/0") -> ActionResult:
        """Take the action's own way back, as the executor would."""
        spec = ACTIONS[name].undo_of(state)
        assert spec is not None
        return await self.run(await self.bound(spec.action, spec.target, **spec.parameters), key)


def _stored(ref: WorkloadRef) -> Any:
    known = resource_of(ref.kind)
    found = find_resource(known.group, known.version, known.plural)
    assert found is not None, ref.kind
    return found


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory) -> str:
    """State of a fresh cluster, built once: building takes longer than any of these tests."""
    path = tmp_path_factory.mktemp("production") / "cluster.json"
    Cluster(FaultLog(), START.timestamp(), path=path)
    return path.read_text(encoding="utf-8")


@pytest.fixture
async def stage(production: str, tmp_path: Path) -> AsyncIterator[Stage]:
    state = tmp_path / "cluster.json"
    state.write_text(production, encoding="utf-8")
    ours, clock = FakeClock(START), ManualClock(START.timestamp())
    ours.followers.append(clock.advance)
    cluster = Cluster(FaultLog(), clock.now(), path=state)
    cluster._path = None  # nobody continues from this state: writing it takes time
    server = await start_kubernetes(HOST, 0, cluster=cluster, clock=clock, state_dir=tmp_path)
    async with Wire.to(server.url) as wire:
        kubeconfig = tmp_path / "wire.kubeconfig"
        text = server.actor_kubeconfig.read_text(encoding="utf-8")
        config = yaml.safe_load(text.replace(server.url, wire.url))
        kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        actor = KubernetesActor(KubernetesConfig(kubeconfig_act=str(kubeconfig)))
        yield Stage(cluster, ours, server, wire, actor)
        await actor.close()
    with contextlib.suppress(asyncio.CancelledError):
        await server.close()
