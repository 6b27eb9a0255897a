"""Two identities and what each may do: a reader that looks and an actor that acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from sandbox.kubernetes.resources import (
    MEASURED,
    METRICS_GROUP,
    READ,
    REVIEW,
    RULES_REVIEW,
    SECRETS,
    STORED,
)
from sandbox.kubernetes.status import Json

READER_TOKEN = "sandbox-reader-token"  # the imitated outside holds no secrets
ACTOR_TOKEN = "sandbox-actor-token"
USERS: Mapping[str, str] = MappingProxyType({
    READER_TOKEN: "system:serviceaccount:sre-agent:reader",
    ACTOR_TOKEN: "system:serviceaccount:sre-agent:actor",
})  # fmt: skip
ACTOR = USERS[ACTOR_TOKEN]
IDENTITIES: Mapping[str, str] = MappingProxyType(
    {"reader": USERS[READER_TOKEN], "actor": USERS[ACTOR_TOKEN]}
)

# resource or resource/subresource -> verbs the actor has beyond reading
ACTING: Mapping[str, tuple[str, ...]] = MappingProxyType({
    "deployments.apps": ("update", "patch"),
    "deployments.apps/scale": ("get", "update", "patch"),
    "statefulsets.apps": ("update", "patch"),
    "statefulsets.apps/scale": ("get", "update", "patch"),
    "replicasets.apps/scale": ("get",),
    "pods": ("delete",),
    "pods/eviction": ("create",),
    "pods/proxy": ("get",),
    "configmaps": ("create", "update", "patch"),
    "horizontalpodautoscalers.autoscaling": ("update", "patch"),
    "nodes": ("update", "patch"),
    "jobs.batch": ("create", "delete"),
    "events": ("create", "patch"),
    "clusters.postgresql.cnpg.io": ("patch",),
    "clusters.postgresql.cnpg.io/status": ("get", "update", "patch"),
})  # fmt: skip
READ_PARTS = ("pods/log", "deployments.apps/scale", "deployments.apps/status",
              "statefulsets.apps/scale", "clusters.postgresql.cnpg.io/status")  # fmt: skip


@dataclass(frozen=True)
class Kubeconfigs:
    """Where the two kubeconfig files are."""

    reader: Path
    actor: Path


def allowed(user: str, verb: str, resource_id: str, subresource: str = "") -> bool:
    """May this user do this?"""
    if resource_id.partition(".")[0] in {REVIEW, RULES_REVIEW}:
        return verb == "create"
    if resource_id == SECRETS.id:
        return False
    named = f"{resource_id}/{subresource}" if subresource else resource_id
    if verb in READ and (not subresource or (named in READ_PARTS and verb == "get")):
        stored = {resource.id for resource in STORED}
        return resource_id in stored or (resource_id in MEASURED.values() and verb != "watch")
    return user == ACTOR and verb in ACTING.get(named, ())


def rules(user: str) -> list[Json]:
    """The resourceRules of a SelfSubjectRulesReview."""
    found: list[Json] = [
        {"verbs": list(READ), "apiGroups": [r.group], "resources": [r.plural]}
        for r in STORED
        if r is not SECRETS
    ]
    found.append({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]})
    measured = {"apiGroups": [METRICS_GROUP], "resources": list(MEASURED)}
    found.append({"verbs": ["get", "list"], **measured})
    for named, verbs in ACTING.items() if user == ACTOR else ():
        resource_id, _, part = named.partition("/")
        plural, _, group = resource_id.partition(".")
        listed = f"{plural}/{part}" if part else plural
        found.append({"verbs": list(verbs), "apiGroups": [group], "resources": [listed]})
    return found


def write_kubeconfigs(directory: Path, server: str, namespace: str) -> Kubeconfigs:
    """Write `reader.kubeconfig` and `actor.kubeconfig`, readable by their owner only."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, token in (("reader", READER_TOKEN), ("actor", ACTOR_TOKEN)):
        path = directory / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": f"{server}/as/{name}"}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{
                "name": "sandbox",
                "context": {"cluster": "sandbox", "user": name, "namespace": namespace},
            }],
            "current-context": "sandbox",
        }), encoding="utf-8")  # fmt: skip
        path.chmod(0o600)
        paths[name] = path
    return Kubeconfigs(**paths)
