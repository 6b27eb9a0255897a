"""get, list and pod logs."""

import base64
import binascii
import json

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.engine import workload_of
from sandbox.kubernetes.requests import Call
from sandbox.kubernetes.selectors import Matcher, field_matcher, label_matcher
from sandbox.kubernetes.status import ApiError, Json, bad_request
from sandbox.kubernetes.store import moment, stamp_micro

LOG_REACH_SECONDS = 3600.0  # how far back a log is told when the request does not say


def matcher(call: Call) -> Matcher:
    """What `labelSelector`, `fieldSelector` and a named watch select."""
    labels = label_matcher(call.params.get("labelSelector", ""))
    fields = field_matcher(call.params.get("fieldSelector", ""), call.resource.plural)

    def matches(item: Json) -> bool:
        meta = item["metadata"]
        if call.namespace and meta.get("namespace", "") != call.namespace:
            return False
        if call.name and meta["name"] != call.name:
            return False
        return labels(item) and fields(item)

    return matches


def list_items(cluster: Cluster, call: Call) -> tuple[list[Json], Json]:
    """The selected objects of one page, and the list's metadata."""
    store, matches = cluster.store, matcher(call)
    items = [call.shown(i) for i in store.every(call.resource, call.namespace) if matches(i)]
    version, after = _position(cluster, call.params.get("continue", ""))
    if after is not None:
        items = [item for item in items if _place(item) > after]
    meta: Json = {"resourceVersion": str(version)}
    limit = call.number("limit")
    if limit and len(items) > limit:
        meta["remainingItemCount"] = len(items) - limit
        items = items[:limit]
        token = json.dumps({"version": version, "after": _place(items[-1])})
        meta["continue"] = base64.urlsafe_b64encode(token.encode()).decode()
    return items, meta


def _place(item: Json) -> list[str]:
    return [item["metadata"].get("namespace", ""), item["metadata"]["name"]]


def _position(cluster: Cluster, token: str) -> tuple[int, list[str] | None]:
    if not token:
        return cluster.store.version, None
    try:
        held = json.loads(base64.urlsafe_b64decode(token))
        version, after = int(held["version"]), list(held["after"])
    except (ValueError, KeyError, TypeError, binascii.Error):
        msg = f"continue key is not valid: {token!r}; start the list again without it"
        raise bad_request(msg) from None
    if version < cluster.store.oldest:
        msg = "The provided continue parameter is too old; start the list again without it"
        raise ApiError(410, "Expired", msg)
    return version, after


def read_log(cluster: Cluster, call: Call) -> str:
    """Text of `pods/NAME/log`."""
    pod = call.found(cluster.store)
    name = pod["metadata"]["name"]
    containers = [c["name"] for c in pod["spec"]["containers"]]
    container = call.params.get("container") or containers[0]
    if container not in containers:
        msg = f"container {container} is not valid for pod {name}; it has {', '.join(containers)}"
        raise bad_request(msg)
    began, ended = _life(cluster, call, pod, container)
    since = max(began, ended - LOG_REACH_SECONDS)
    seconds = call.number("sinceSeconds")
    if seconds is not None:
        since = max(began, cluster.now - seconds)
    elif "sinceTime" in call.params:
        since = max(began, _time(call.params["sinceTime"]))
    lines = _lines(cluster, pod, container, (began, since, ended))
    tail = call.number("tailLines")
    if tail is not None:
        lines = lines[-tail:] if tail > 0 else []
    with_time = call.flag("timestamps")
    text = "".join(
        f"{stamp_micro(at)} {line}\n" if with_time else f"{line}\n" for at, line in lines
    )
    limit = call.number("limitBytes")
    return text if limit is None else text.encode()[:limit].decode(errors="ignore")


def _time(text: str) -> float:
    try:
        return moment(text)
    except ValueError:
        msg = f"sinceTime must be RFC 3339, got {text!r}"
        raise bad_request(msg) from None


def _life(cluster: Cluster, call: Call, pod: Json, container: str) -> tuple[float, float]:
    """Start and end of the container life that is asked about."""
    name = pod["metadata"]["name"]
    lives = [life for life in cluster.pod_started_at(workload_of(pod)) if life[0] == name]
    lives = [life for life in lives if life[1] >= moment(pod["metadata"]["creationTimestamp"]) - 1]
    if call.flag("previous"):
        past = [(began, ended) for _name, began, ended in lives if ended is not None]
        if not past:
            msg = f'previous terminated container "{container}" in pod "{name}" not found'
            raise bad_request(msg)
        return past[-1]
    statuses = pod["status"].get("containerStatuses", ())
    state: Json = next((s["state"] for s in statuses if s["name"] == container), {})
    if "terminated" in state:
        ended = state["terminated"]
        return moment(ended["startedAt"]), moment(ended["finishedAt"])
    if "running" not in state:
        reason = state.get("waiting", {}).get("reason", "ContainerCreating")
        msg = f'container "{container}" in pod "{name}" is waiting to start: {reason}'
        raise bad_request(msg)
    return moment(state["running"]["startedAt"]), cluster.now


def _lines(
    cluster: Cluster, pod: Json, container: str, window: tuple[float, float, float]
) -> list[tuple[float, str]]:
    began, since, ended = window
    meta = pod["metadata"]
    if cluster.log_provider is not None:
        return cluster.log_provider(meta["namespace"], meta["name"], container, since, ended)
    image = next(c["image"] for c in pod["spec"]["containers"] if c["name"] == container)
    told = [
        (began, f"level=info msg=starting image={image} pod={meta['name']}"),
        (began + 1, f"level=info msg=listening container={container}"),
    ]
    return [(at, line) for at, line in told if since <= at <= ended]
