"""What the API server checks before it stores an object."""

from collections.abc import Callable
from typing import Any

from sandbox.kubernetes.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    JOBS,
    STATEFUL_SETS,
    Resource,
)
from sandbox.kubernetes.selectors import selector_matches
from sandbox.kubernetes.status import Json, invalid

Cause = tuple[str, str]  # field, message


def validate(resource: Resource, item: Json, old: Json | None) -> None:
    """Refuse an object that is not valid with 422 and every cause."""
    check = _CHECKS.get(resource.id)
    causes: list[Cause] = []
    if resource.has_status and "spec" in item and not isinstance(item["spec"], dict):
        causes.append(("spec", f"Invalid value: {item['spec']!r}: must be an object"))
    elif check is not None:
        try:
            causes = check(item, old)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            causes = [("spec", f"Required value or wrong type: {error}")]
    if causes:
        raise invalid(resource.target(item["metadata"].get("name", "")), *causes)


def replica_causes(count: Any, field: str = "spec.replicas") -> list[Cause]:
    """A replica count is a whole number that is not negative."""
    if isinstance(count, bool) or not isinstance(count, int):
        return [(field, f"Invalid value: {count!r}: must be an integer")]
    if count < 0:
        return [(field, f"Invalid value: {count}: must be greater than or equal to 0")]
    return []


def _template_causes(template: Json, field: str) -> list[Cause]:
    containers = template["spec"].get("containers") or []
    causes: list[Cause] = []
    if not containers:
        causes.append((f"{field}.spec.containers", "Required value"))
    names = [container.get("name") for container in containers]
    for i, container in enumerate(containers):
        where = f"{field}.spec.containers[{i}]"
        if not container.get("name"):
            causes.append((f"{where}.name", "Required value"))
        elif names.index(container["name"]) != i:
            causes.append((f"{where}.name", f'Duplicate value: "{container["name"]}"'))
        if not container.get("image"):
            causes.append((f"{where}.image", "Required value"))
    return causes


def _workload(item: Json, old: Json | None) -> list[Cause]:
    spec = item["spec"]
    causes = replica_causes(spec.get("replicas", 1))
    template = spec["template"]
    causes += _template_causes(template, "spec.template")
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not selector_matches(spec.get("selector"), labels):
        message = f"Invalid value: {labels}: `selector` does not match template `labels`"
        causes.append(("spec.template.metadata.labels", message))
    if old is not None and spec.get("selector") != old["spec"].get("selector"):
        causes.append(("spec.selector", "Invalid value: field is immutable"))
    return causes


def _autoscaler(item: Json, _old: Json | None) -> list[Cause]:
    spec = item["spec"]
    low, high = spec.get("minReplicas", 1), spec["maxReplicas"]
    causes = [
        (f"spec.{name}", f"Invalid value: {value!r}: must be greater than 0")
        for name, value in (("minReplicas", low), ("maxReplicas", high))
        if isinstance(value, bool) or not isinstance(value, int) or value < 1
    ]
    if not causes and high < low:
        message = f"Invalid value: {high}: must be greater than or equal to `minReplicas`"
        causes.append(("spec.maxReplicas", message))
    return causes


def _config_map(item: Json, old: Json | None) -> list[Cause]:
    values = item.get("data") or {}
    causes = [
        (f"data[{key}]", f"Invalid value: {value!r}: must be a string")
        for key, value in values.items()
        if not isinstance(value, str)
    ]
    if old is not None and old.get("immutable"):
        if values != (old.get("data") or {}):
            causes.append(("data", "Forbidden: field is immutable when `immutable` is set"))
        if not item.get("immutable"):
            message = "Forbidden: field is immutable when `immutable` is set"
            causes.append(("immutable", message))
    return causes


def _job(item: Json, old: Json | None) -> list[Cause]:
    template = item["spec"]["template"]
    causes = _template_causes(template, "spec.template")
    policy = template["spec"].get("restartPolicy")
    if policy not in {"Never", "OnFailure"}:
        message = f'Unsupported value: "{policy}": supported values: "OnFailure", "Never"'
        causes.append(("spec.template.spec.restartPolicy", message))
    if old is not None and template != old["spec"]["template"]:
        causes.append(("spec.template", "Invalid value: field is immutable"))
    return causes


def _event(item: Json, _old: Json | None) -> list[Cause]:
    about = item.get("involvedObject") or {}
    if about.get("namespace", "") not in {"", item["metadata"].get("namespace")}:
        return [("involvedObject.namespace", "does not match event.namespace")]
    return []


_CHECKS: dict[str, Callable[[Json, Json | None], list[Cause]]] = {
    DEPLOYMENTS.id: _workload,
    STATEFUL_SETS.id: _workload,
    HPAS.id: _autoscaler,
    CONFIG_MAPS.id: _config_map,
    JOBS.id: _job,
    EVENTS.id: _event,
}
