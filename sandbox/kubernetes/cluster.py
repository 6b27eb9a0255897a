"""The imitated cluster: objects, controllers and the stories that happen to it.

    request or background tick ──tick(now)──> timers due, in order ──> controllers until quiet
                                                                          │
                    on_change callbacks, fault log, state file <──────────┘

A fault that an image or config map carries is open while at least one *ready* pod runs it. A leak
is no entry in the fault log: it follows the container lives that `pod_started_at` tells.
"""

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sandbox.kubernetes import controllers, kubelet, manifests, seed, stateful, workloads
from sandbox.kubernetes.controllers import CpuProbe
from sandbox.kubernetes.engine import Engine, is_ready, workload_of
from sandbox.kubernetes.resources import (
    BUDGETS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    HPAS,
    JOBS,
    NODES,
    PG_CLUSTERS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
)
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import Store
from sandbox.world.blueprint import Blueprint
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_world
from sandbox.world.scenario import Change, Leak, Story

LogProvider = Callable[[str, str, str, float, float], list[tuple[float, str]]]
# (namespace, pod, container, since, until) -> [(time, line)]
UsageProvider = Callable[[], Mapping[tuple[str, str, str], tuple[float, float]]]
# (namespace, pod, container) -> (cores, bytes); a node is ("", name, "")

MAX_PASSES = 40  # controllers settle in a handful; more means they fight each other
LOOK_SECONDS = 30.0  # how often a driven autoscaler looks
STORY_TIMERS = ("story.deploy", "story.config", "pod.oom")


class Cluster:
    """State machine of the simulated production's Kubernetes cluster."""

    def __init__(
        self,
        faults: FaultLog,
        now: float,
        *,
        path: Path | None = None,
        seed_number: int = 20,
        blueprint: Blueprint | None = None,
    ) -> None:
        """Continue from the state file `path` if it exists, else build the platform at `now`."""
        self.blueprint = blueprint or load_world()
        self.faults = faults
        self.on_change: list[Callable[[], None]] = []
        self.cpu_probe: CpuProbe | None = None
        self.log_provider: LogProvider | None = None
        self.usage_provider: UsageProvider | None = None  # None: there is no metrics-server
        self.replicas_behind: dict[str, int | None] = {}  # instance -> bytes; None: streams nothing
        self.effects: list[Json] = []  # mutating requests that were let through, oldest first
        self._path = path
        self._carriers: list[Json] = []
        self._home: dict[str, Json] = {}  # workload -> template and replicas of a healthy platform
        self._seen: tuple[int, int, int] = (0, 0, 0)
        if path is not None and path.exists():
            self._load(json.loads(path.read_text(encoding="utf-8")))
            return
        self.engine = Engine(now, seed=seed_number)
        seed.populate(self.engine, self.blueprint)
        self._reconcile()
        self._remember_home()
        self._settle()

    @property
    def store(self) -> Store:
        """The objects."""
        return self.engine.store

    @property
    def now(self) -> float:
        """World time of the last step."""
        return self.engine.now

    # -- time -----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Let everything happen that is due until `now`."""
        due = self.engine.next_due()
        while due is not None and due <= now:
            kind, args = self.engine.pop_timer()
            self._fire(kind, args)
            self._reconcile()
            due = self.engine.next_due()
        self.engine.now = max(self.engine.now, now)
        self._settle()

    def drive_autoscalers(self, used: CpuProbe) -> None:
        """Let autoscalers that follow measured use ask `used` for it from now on."""
        driven = {
            s.workload for s in self.blueprint.workloads if s.autoscaled and s.autoscaled.driven
        }
        if not driven:
            return

        def measured(workload: str, at: float) -> float | None:
            return used(workload, at) if workload in driven else None

        self.cpu_probe = measured
        if not self.engine.has_timer("hpa.look"):
            self.engine.later(LOOK_SECONDS, "hpa.look")

    def commit(self) -> None:
        """Let the controllers answer to a change made through the API, and save."""
        self._reconcile()
        self._settle()

    def _fire(self, kind: str, args: list[str]) -> None:
        engine = self.engine
        if kind.startswith("pod."):
            pod = kubelet.find_pod(engine, *args)
            if pod is not None:
                {
                    "pod.start": kubelet.start,
                    "pod.probe": kubelet.probe,
                    "pod.ready": kubelet.make_ready,
                    "pod.oom": kubelet.out_of_memory,
                    "pod.gone": kubelet.remove,
                    "pod.finish": kubelet.finish,
                }[kind](engine, pod)
        elif kind == "hpa.look":  # what follows a timer, looks: _reconcile
            engine.later(LOOK_SECONDS, "hpa.look")
        elif kind.startswith("hpa."):
            settled = kind == "hpa.settle"
            controllers.sync_autoscaler(engine, args[0], args[1], self.cpu_probe, settled=settled)
        elif kind == "pg.promote":
            controllers.promote(engine, *args)
        elif kind == "story.deploy":
            self._deploy(*args)
        elif kind == "story.config":
            self._reconfigure(*args)

    def _reconcile(self) -> None:
        engine = self.engine
        steps: tuple[tuple[Any, Callable[[Engine, Json], None]], ...] = (
            (NODES, controllers.reconcile_node),
            (DEPLOYMENTS, workloads.reconcile_deployment),
            (REPLICA_SETS, workloads.reconcile_set),
            (STATEFUL_SETS, stateful.reconcile_stateful),
            (JOBS, controllers.reconcile_job),
            (BUDGETS, controllers.reconcile_budget),
            (PG_CLUSTERS, controllers.reconcile_postgres),
        )
        for _ in range(MAX_PASSES):
            before = engine.store.version
            controllers.retry_pending(engine)
            for resource, reconcile in steps:
                for item in engine.store.every(resource):
                    reconcile(engine, item)
            for item in engine.store.every(HPAS):
                controllers.watch_autoscaler(engine, item, self.cpu_probe)
            self._observe()
            if engine.store.version == before:
                return
        msg = f"the imitated controllers did not settle in {MAX_PASSES} passes"
        raise RuntimeError(msg)

    def _observe(self) -> None:
        """Tell the fault log and the history what serves now."""
        ready = [pod for pod in self.store.every(PODS) if is_ready(pod)]
        for carrier in self._carriers:
            if any(_carries(pod, carrier) for pod in ready):
                self.faults.open(carrier["key"], self.now)
            else:
                self.faults.close(carrier["key"], self.now)
        counts: dict[str, int] = dict.fromkeys(self.engine.serving, 0)
        for pod in ready:
            if workload_of(pod) in counts:
                counts[workload_of(pod)] += 1
        for workload, count in counts.items():
            rows = self.engine.serving[workload]
            if rows[-1][1] != count:
                rows.append([self.now, count])

    def _settle(self) -> None:
        seen = (self.store.version, self.engine.drawn, len(self.effects))
        if seen == self._seen:
            return
        self._seen = seen
        self.engine.forget_old_events()
        self._save()
        for callback in self.on_change:
            callback()

    # -- stories --------------------------------------------------------------------------------

    def begin(self, story: Story) -> None:
        """Return the workloads to health and apply `story`'s changes as their time comes."""
        engine, scenario = self.engine, story.scenario
        engine.drop_timers(*STORY_TIMERS)
        engine.leaks.clear()
        # what an earlier story broke stays broken until its pods are gone
        keys = {story.fault_key(fault) for fault in scenario.faults}
        self._carriers = [
            carrier
            for carrier in self._carriers
            if carrier["key"] not in keys and self.faults.is_open(carrier["key"])
        ]
        self._go_home(story)
        for fault in scenario.faults:
            if fault.leak is not None:
                self._age_pods(fault.leak, story.begins_at)
            elif fault.hours is None:
                self._carriers.append({
                    "key": story.fault_key(fault),
                    "image": fault.image,
                    "config_map": fault.config_map,
                })  # fmt: skip
        for change in scenario.changes:
            due = max(story.due(change), self.now)
            engine.at(due, f"story.{change.action}", *_change_args(change))
            if change.image is not None and change.image not in engine.images:
                engine.images.append(change.image)
        self._reconcile()
        self._settle()

    def _remember_home(self) -> None:
        for resource in (DEPLOYMENTS, STATEFUL_SETS):
            for item in self.store.every(resource):
                self._home[item["metadata"]["name"]] = copy.deepcopy(item["spec"])
        for item in (*self.store.every(HPAS), *self.store.every(NODES)):
            self._home[f"{item['kind']}/{item['metadata']['name']}"] = copy.deepcopy(item["spec"])

    def _go_home(self, story: Story) -> None:
        """Undo what earlier stories and people left behind, by an ordinary rollout."""
        cause = f"sandbox: back to health before {story.scenario.name}"
        for resource in (DEPLOYMENTS, STATEFUL_SETS, HPAS, NODES):
            for item in self.store.every(resource):
                plain = resource in (DEPLOYMENTS, STATEFUL_SETS)
                name = item["metadata"]["name"]
                home = self._home.get(name if plain else f"{item['kind']}/{name}")
                if home is None or home == item["spec"]:
                    continue

                def restored(draft: Json, home: Json = home, *, noted: bool = plain) -> None:
                    if noted and draft["spec"]["template"] != home["template"]:
                        draft["metadata"]["annotations"][workloads.CHANGE_CAUSE] = cause
                    draft["spec"] = copy.deepcopy(home)
                    draft["metadata"]["generation"] = draft["metadata"].get("generation", 1) + 1

                self.store.update(resource, item, restored)

    def _age_pods(self, leak: Leak, begins_at: float) -> None:
        """Replace the workload's pods by ones that have run as long as the story says."""
        service = self.blueprint.get_service(leak.workload)
        pods = [pod for pod in self.store.every(PODS) if workload_of(pod) == leak.workload]
        owners = self.store.every(REPLICA_SETS, service.namespace)
        owner = next(
            item
            for item in owners
            if workload_of(item) == leak.workload and item["spec"]["replicas"]
        )
        for pod, age in zip(pods, leak.started_before_seconds, strict=False):
            started = begins_at - age
            meta = pod["metadata"]
            self.engine.end_life(leak.workload, meta["name"], started)
            self.store.remove(PODS, meta["namespace"], meta["name"])
            name = f"{owner['metadata']['name']}-{self.engine.suffix()}"
            seed.running_pod(self.engine, service, owner, name, min(started, self.now))
        self.engine.leaks[leak.workload] = leak.seconds_to_limit
        for pod in self.store.every(PODS):
            if workload_of(pod) == leak.workload:
                lives = [life for life in self.engine.lives[leak.workload] if life[2] is None]
                name = pod["metadata"]["name"]
                began = next((life[1] for life in lives if life[0] == name), None)
                if began is not None:
                    kubelet.arm_leak(self.engine, pod, began)

    def _deploy(self, workload: str, image: str, cause: str) -> None:
        def deployed(template: Json) -> None:
            container = template["spec"]["containers"][0]
            container["image"] = image
            for entry in container.get("env", ()):
                if entry["name"] == "VERSION":
                    entry["value"] = image.rsplit(":", 1)[-1]

        self._release(workload, cause, deployed)

    def _reconfigure(self, workload: str, config_map: str, cause: str, settings: str) -> None:
        service = self.blueprint.get_service(workload)
        if self.store.peek(CONFIG_MAPS, service.namespace, config_map) is None:
            usual = manifests.config_name(service)
            fresh = manifests.config_map(service, usual, self.blueprint)
            fresh["metadata"]["name"] = config_map
            fresh["data"]["CONFIG_VERSION"] = config_map.rsplit("v", 1)[-1]
            fresh["data"] |= json.loads(settings)
            self.engine.create(CONFIG_MAPS, fresh)

        def configured(template: Json) -> None:
            template["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": config_map}}]

        self._release(workload, cause, configured)

    def _release(self, workload: str, cause: str, change: Callable[[Json], None]) -> None:
        service = self.blueprint.get_service(workload)
        resource = DEPLOYMENTS if service.kind == "Deployment" else STATEFUL_SETS
        item = self.store.peek(resource, service.namespace, workload)
        if item is None:
            return

        def released(draft: Json) -> None:
            change(draft["spec"]["template"])
            if draft["spec"] != item["spec"]:
                draft["metadata"]["annotations"][workloads.CHANGE_CAUSE] = cause
                draft["metadata"]["generation"] += 1

        self.store.update(resource, item, released)

    # -- what metrics and logs ask ----------------------------------------------------------------

    def pod_started_at(self, workload: str) -> list[tuple[str, float, float | None]]:
        """Every container life of the workload: (pod, started_at, ended_at), oldest first."""
        lives = self.engine.lives.get(workload, [])
        return sorted(((n, s, e) for n, s, e in lives), key=lambda life: (life[1], life[0]))

    def replicas_history(self, workload: str) -> list[tuple[float, int]]:
        """When the number of serving replicas changed: (at, replicas), oldest first."""
        return [(at, int(count)) for at, count in self.engine.serving.get(workload, [])]

    def rollouts(self, workload: str | None = None) -> list[Json]:
        """Template changes so far: at, workload, revision, images, config_maps, cause, rollback."""
        rows = [r for r in self.engine.rollouts if workload in (None, r["workload"])]
        return copy.deepcopy(rows)

    # -- state file -------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._path is None:
            return
        stored = {
            "engine": self.engine.dump(),
            "carriers": self._carriers,
            "home": self._home,
            "effects": self.effects,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps(stored), encoding="utf-8")
        draft.replace(self._path)

    def _load(self, stored: Json) -> None:
        self.engine = Engine.load(stored["engine"])
        self._carriers = stored["carriers"]
        self._home = stored["home"]
        self.effects = stored["effects"]
        self._seen = (self.store.version, self.engine.drawn, len(self.effects))


def _carries(pod: Json, carrier: Json) -> bool:
    if carrier["image"] is not None:
        return any(c["image"] == carrier["image"] for c in pod["spec"]["containers"])
    return carrier["config_map"] in workloads.config_maps_of(pod)


def _change_args(change: Change) -> tuple[str, ...]:
    if change.action == "deploy":
        return change.workload, change.image or "", change.cause
    settings = json.dumps(dict(change.settings))
    return change.workload, change.config_map or "", change.cause, settings
