"""Kubernetes objects as the API serves them, read: owners, templates, revisions, differences.

Reading and acting both stand on this; nothing here asks a cluster or changes one.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.fingerprint import fingerprint_of
from tools.world import DiffLine, WorkloadRef

Json = Mapping[str, Any]
REVISION = "deployment.kubernetes.io/revision"
STEP_ANNOTATION = "sre-agent/step"  # holds the key of the last step that changed an object
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
# Where tools that render manifests write which file an object came from (Kustomize, kpt).
_ORIGINS = ("config.kubernetes.io/origin", "config.kubernetes.io/path")
_ARGO_TRACKING = "argocd.argoproj.io/tracking-id"
_ARGO_INSTANCE = "argocd.argoproj.io/instance"
_FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io/name"
_FLUX_HELM = "helm.toolkit.fluxcd.io/name"


def meta(item: Json) -> Json:
    """Return an object's metadata."""
    return dict(item.get("metadata") or {})


def annotations_of(item: Json) -> Mapping[str, str]:
    """Return an object's annotations, empty when it has none."""
    return dict(meta(item).get("annotations") or {})


def labels(item: Json) -> dict[str, str]:
    """Return an object's labels and those of its pod template."""
    template = template_of(item).get("metadata") or {}
    return {**(template.get("labels") or {}), **(meta(item).get("labels") or {})}


def ref_of(item: Json, kind: str, cluster: str) -> WorkloadRef:
    """Return the reference, uid included, of an object that was read."""
    own = meta(item)
    return WorkloadRef(cluster, own.get("namespace", ""), kind, own["name"], own.get("uid", ""))


def is_owned_by(item: Json, uid: str) -> bool:
    """Say whether an owner reference names this uid."""
    return any(each.get("uid") == uid for each in meta(item).get("ownerReferences") or ())


def gitops_owner(item: Json) -> str:
    """Return who writes this object from Git, or an empty string."""
    known = {**labels(item), **annotations_of(item)}
    if _ARGO_TRACKING in known:
        return f"Argo CD application {known[_ARGO_TRACKING].split(':')[0]!r}"
    if _ARGO_INSTANCE in known:
        return f"Argo CD application {known[_ARGO_INSTANCE]!r}"
    for name, noun in ((_FLUX_KUSTOMIZE, "Flux kustomization"), (_FLUX_HELM, "Flux Helm release")):
        if name in known:
            space = known.get(name.replace("/name", "/namespace"), "")
            named = f"{space}/{known[name]}" if space else known[name]
            return f"{noun} {named!r}"
    return ""


def git_file(item: Json) -> str:
    """Return the file an object was rendered from, as its annotations tell, or an empty string."""
    marks = annotations_of(item)
    for name in _ORIGINS:
        for line in marks.get(name, "").splitlines():
            text = line.strip()
            if name.endswith("/path"):
                return text
            if text.startswith("path:"):
                return text.removeprefix("path:").strip()
    return ""


def pointer(*parts: str | int) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def dotted(path: str) -> str:
    """Return a JSON pointer as people write fields: `spec.replicas`."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    return ".".join(parts)


def template_of(item: Json) -> dict[str, Any]:
    """Return the pod template of a workload or ReplicaSet, empty when it has none."""
    template: dict[str, Any] = (item.get("spec") or {}).get("template") or {}
    return template


def bare_template(template: Json) -> dict[str, Any]:
    """Return a pod template without what the ReplicaSet controller added to it."""
    clean: dict[str, Any] = copy.deepcopy(dict(template))
    own = clean.get("metadata") or {}
    (own.get("labels") or {}).pop("pod-template-hash", None)
    own.pop("creationTimestamp", None)
    return clean


def essence(template: Json) -> dict[str, Any]:
    """Return what makes two revisions differ in substance: restarts do not count."""
    clean = bare_template(template)
    own = clean.get("metadata") or {}
    marks = own.get("annotations") or {}
    for name in (RESTARTED_AT, STEP_ANNOTATION):
        marks.pop(name, None)
    if not marks:
        own.pop("annotations", None)
    return clean


def revision_of(item: Json) -> int:
    """Return the rollout revision of a Deployment or ReplicaSet, 0 when unknown."""
    text = annotations_of(item).get(REVISION, "0")
    return int(text) if text.isdigit() else 0


def config_hash(item: Json) -> str:
    """Return what two config maps share when they hold the same."""
    return fingerprint_of(
        {"data": item.get("data") or {}, "binaryData": item.get("binaryData") or {}}
    )


def config_map_paths(template: Json) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer inside the template, config map name) for every reference."""
    spec = template.get("spec") or {}
    for v, volume in enumerate(spec.get("volumes") or ()):
        if "configMap" in volume:
            yield pointer("spec", "volumes", v, "configMap", "name"), volume["configMap"]["name"]
        for s, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if "configMap" in source:
                place = ("spec", "volumes", v, "projected", "sources", s, "configMap", "name")
                yield pointer(*place), source["configMap"]["name"]
    for group in ("initContainers", "containers"):
        for c, container in enumerate(spec.get(group) or ()):
            base = ("spec", group, c)
            for e, source in enumerate(container.get("envFrom") or ()):
                if "configMapRef" in source:
                    from_env = (*base, "envFrom", e, "configMapRef", "name")
                    yield pointer(*from_env), source["configMapRef"]["name"]
            for e, variable in enumerate(container.get("env") or ()):
                key = (variable.get("valueFrom") or {}).get("configMapKeyRef")
                if key:
                    one_key = (*base, "env", e, "valueFrom", "configMapKeyRef", "name")
                    yield pointer(*one_key), key["name"]


def is_ready(pod: Json) -> bool:
    """Say whether the pod serves."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)


def replicas_of(workload: Json) -> int:
    """Return how many pods a workload is asked to have (1 when it does not say)."""
    value = (workload.get("spec") or {}).get("replicas")
    return 1 if value is None else int(value)


def template_diff(before: Json, after: Json) -> tuple[DiffLine, ...]:
    """Return what a person wants to know of two pod templates; images come first."""
    old, new = dict(_leaves(essence(before))), dict(_leaves(essence(after)))
    changed = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    changed.sort(key=lambda path: (not path.endswith(".image"), path))
    return tuple(
        DiffLine(path, old.get(path, "(none)"), new.get(path, "(none)")) for path in changed
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, each in enumerate(value):
            name = each.get("name", index) if isinstance(each, Mapping) else index
            yield from _leaves(each, f"{path}[{name}]")
    else:
        yield path, str(value)
