"""Fourteen days of cluster history before the sandbox starts.

Every older version of a service is a revision with its own ReplicaSet, config map, change cause,
container lives and time of change; the newest revision's pods are running and ready. Nothing here
goes through the rollout controllers: history is written as they would have left it.
"""

import copy
import json

from sandbox.kubernetes import kubelet, manifests
from sandbox.kubernetes.engine import Engine
from sandbox.kubernetes.resources import (
    BUDGETS,
    CONFIG_MAPS,
    CRON_JOBS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    NAMESPACES,
    NODES,
    PG_CLUSTERS,
    PODS,
    REPLICA_SETS,
    REVISIONS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import stamp
from sandbox.kubernetes.workloads import (
    CHANGE_CAUSE,
    HASH,
    REVISION,
    STATEFUL_HASH,
    config_maps_of,
    images_of,
    owner_reference,
    template_hash,
)
from sandbox.world.blueprint import Blueprint, Service

DAY = 86400.0
BORN_DAYS = 90.0  # age of the cluster
HISTORY_DAYS = 20.0  # container lives begin here: more than the metrics' history
FIRST_CHANGE_DAYS = 12.5
LAST_CHANGE_DAYS = 1.6
CAUSES = ("scheduled release", "dependency update", "bug fix", "configuration change")


def populate(engine: Engine, blueprint: Blueprint) -> None:
    """Fill an empty engine with the platform as it stands at `engine.now`."""
    now = engine.now
    born = stamp(now - BORN_DAYS * DAY)
    spaces = {"default": {}, "kube-system": {}, **blueprint.namespaces}
    for name, labels in spaces.items():
        meta = {"name": name, "creationTimestamp": born,
                "labels": {"kubernetes.io/metadata.name": name, **labels}}  # fmt: skip
        spec = {"finalizers": ["kubernetes"]}
        engine.create(NAMESPACES, {"metadata": meta, "spec": spec, "status": {"phase": "Active"}})
    for name in blueprint.nodes:
        node = manifests.node(name, kubelet.node_ip(name), born)
        node["metadata"]["creationTimestamp"] = born
        engine.create(NODES, node)
    for number, service in enumerate(blueprint.workloads):
        _populate_service(engine, service, number, born, blueprint)
    for job in blueprint.cron_jobs:
        for name in job.namespaces:
            item = manifests.cron_job(job, name)
            # an identity of its own: drawing one would rename everything that is drawn after it
            item["metadata"] |= {"creationTimestamp": born, "uid": f"00000000-{name}-{job.name}"}
            item |= {"apiVersion": CRON_JOBS.api_version, "kind": CRON_JOBS.kind}
            engine.store.put(CRON_JOBS, item)
        if job.image not in engine.images:
            engine.images.append(job.image)
    engine.now = now


def _populate_service(
    engine: Engine, service: Service, number: int, born: str, blueprint: Blueprint
) -> None:
    now = engine.now
    for resource, item in _surroundings(service, number, born):
        item["metadata"]["creationTimestamp"] = born
        engine.create(resource, item)
    versions = (*service.previous_versions, service.version)
    times = _change_times(engine, len(versions), now)
    maps = _config_names(service, len(versions))
    causes = [_cause(service, versions, maps, i) for i in range(len(versions))]
    for name in sorted(set(maps)) if service.kind == "Deployment" else ():
        item = manifests.config_map(service, name, blueprint)
        item["metadata"]["creationTimestamp"] = stamp(times[maps.index(name)] - 120)
        engine.create(CONFIG_MAPS, item)
    templates = [
        manifests.pod_template(service, version, config)
        for version, config in zip(versions, maps, strict=True)
    ]
    resource = DEPLOYMENTS if service.kind == "Deployment" else STATEFUL_SETS
    item = manifests.workload(service, copy.deepcopy(templates[-1]), causes[-1])
    item["metadata"] |= {"creationTimestamp": born, "generation": len(versions)}
    owner = engine.create(resource, item)
    engine.usual_replicas[service.workload] = service.replicas
    engine.serving[service.workload] = [[now - HISTORY_DAYS * DAY, service.replicas]]
    for i, template in enumerate(templates):
        engine.images += [name for name in images_of(template) if name not in engine.images]
        engine.rollouts.append({
            "at": times[i], "workload": service.workload, "namespace": service.namespace,
            "revision": i + 1, "images": images_of(template),
            "config_maps": config_maps_of(template), "cause": causes[i], "rollback": False,
        })  # fmt: skip
        ends = times[i + 1] if i + 1 < len(times) else None
        began = times[i] if i else now - HISTORY_DAYS * DAY
        revision = _revision(engine, service, owner, template, causes[i], times[i], i + 1)
        _lives(engine, service, revision, began, ends)
    engine.rollouts.sort(key=lambda row: row["at"])


def _surroundings(service: Service, number: int, born: str) -> list[tuple[Resource, Json]]:
    found: list[tuple[Resource, Json]] = [(SERVICES, manifests.service_object(service, number))]
    if service.autoscaled:
        found.append((HPAS, manifests.autoscaler(service, service.autoscaled)))
    if service.budget:
        found.append((BUDGETS, manifests.budget(service, service.budget)))
    if service.operator == "cloudnative-pg":
        found.append((PG_CLUSTERS, manifests.postgres_cluster(service, born)))
    for name in service.data_keys:
        meta = {"name": name, "namespace": service.namespace}
        found.append((SECRETS, {"metadata": meta, "type": "Opaque", "data": {}}))
    return found


def _change_times(engine: Engine, count: int, now: float) -> list[float]:
    """When each revision was rolled out: the first long ago, the others over two weeks."""
    span = (FIRST_CHANGE_DAYS - LAST_CHANGE_DAYS) / max(1, count - 1)
    times = [now - BORN_DAYS * DAY]
    for i in range(1, count):
        days = FIRST_CHANGE_DAYS - span * (i - 1) - 0.8 * span * engine.draw()
        at = now - days * DAY
        times.append(at - at % DAY + (8 + 8 * engine.draw()) * 3600)  # in working hours
    return times


def _config_names(service: Service, count: int) -> list[str]:
    """Config map of each revision: the last two revisions share the newest one."""
    newest = service.config_version
    return [
        manifests.config_name(service, newest if i >= count - 2 else newest - 1)
        for i in range(count)
    ]


def _cause(service: Service, versions: tuple[str, ...], maps: list[str], i: int) -> str:
    if i and maps[i] != maps[i - 1] and service.kind == "Deployment":
        return f"release {versions[i]} with {maps[i]}"
    return f"release {versions[i]}: {CAUSES[(i + len(service.name)) % (len(CAUSES) - 1)]}"


def _revision(
    engine: Engine,
    service: Service,
    owner: Json,
    template: Json,
    cause: str,
    at: float,
    number: int,
) -> Json:
    digest = template_hash(template)
    name = f"{service.workload}-{digest}"
    current = number == len(service.previous_versions) + 1
    meta: Json = {
        "name": name,
        "namespace": service.namespace,
        "creationTimestamp": stamp(at),
        "ownerReferences": [owner_reference(owner)],
        "labels": dict(template["metadata"]["labels"]),
    }
    if service.kind == "StatefulSet":
        kept = {"spec": {"template": template | {"$patch": "replace"}}}
        engine.create(REVISIONS, {"metadata": meta, "data": kept, "revision": number})
        return owner
    labelled = json.loads(json.dumps(template))
    labelled["metadata"]["labels"][HASH] = digest
    meta["labels"][HASH] = digest
    meta["annotations"] = {
        REVISION: str(number),
        CHANGE_CAUSE: cause,
        "deployment.kubernetes.io/desired-replicas": str(service.replicas),
        "deployment.kubernetes.io/max-replicas": str(service.replicas + 1),
    }
    selector = {"matchLabels": {"app": service.name, HASH: digest}}
    spec = {
        "replicas": service.replicas if current else 0, "selector": selector, "template": labelled,
    }  # fmt: skip
    if current:

        def numbered(draft: Json) -> None:
            draft["metadata"]["annotations"][REVISION] = str(number)

        engine.store.update(DEPLOYMENTS, owner, numbered)
    item = {"metadata": meta, "spec": spec, "status": {"replicas": 0}}
    return engine.create(REPLICA_SETS, item)


def _lives(engine: Engine, service: Service, owner: Json, began: float, ends: float | None) -> None:
    """Container lives of one revision; the newest revision's pods become objects."""
    for ordinal in range(service.replicas):
        at = began + 9.0 * ordinal
        if service.kind == "StatefulSet":
            name = f"{service.workload}-{ordinal}"
        else:
            name = f"{owner['metadata']['name']}-{engine.suffix()}"
        if ends is None:
            running_pod(engine, service, owner, name, at)
        else:
            life = [name, at, ends + 9.0 * ordinal]
            engine.lives.setdefault(service.workload, []).append(life)


def running_pod(engine: Engine, service: Service, owner: Json, name: str, at: float) -> None:
    """A pod that started at `at` and has been ready since."""
    present, timers, events = engine.now, list(engine.timers), {
        item["metadata"]["uid"] for item in engine.store.every(EVENTS)
    }  # fmt: skip
    template = copy.deepcopy(owner["spec"]["template"])
    if service.kind == "StatefulSet":
        template["metadata"]["labels"] |= {
            STATEFUL_HASH: f"{service.workload}-{template_hash(template)}",
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": name.rsplit("-", 1)[1],
        }
    engine.now = at
    leak = engine.leaks.pop(service.workload, None)
    pod = kubelet.create_pod(engine, name, service.namespace, template, owner_reference(owner))
    fresh = engine.store.get(PODS, service.namespace, name) or pod
    kubelet.start(engine, fresh)
    fresh = engine.store.get(PODS, service.namespace, name) or pod
    kubelet.make_ready(engine, fresh)
    if leak is not None:
        engine.leaks[service.workload] = leak
    engine.timers = timers
    for item in engine.store.every(EVENTS):
        if item["metadata"]["uid"] not in events:
            meta = item["metadata"]
            engine.store.remove(EVENTS, meta["namespace"], meta["name"])
    engine.now = present
