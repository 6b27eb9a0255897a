"""Why a liveness, readiness or startup probe fails, from the probe's spec and the kubelet's words.

port:      asks a port that no container of the pod declares, while another is declared
protocol:  asks by HTTP where gRPC answers, by HTTP where TLS answers, or the other way
status:    the process answers, and says it is not well
time:      asks right, but gives up before the process is up, or waits less than it takes
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import re2

from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, Container, containers_of, object_of
from tools.doctor.words import shortened
from tools.kubernetes_objects import Json, meta

KINDS = {"livenessProbe": "Liveness", "readinessProbe": "Readiness", "startupProbe": "Startup"}
_PROTOCOL = re2.compile(
    r"(?i)malformed HTTP|http2:|server gave HTTP response to HTTPS|does not look like a TLS|"
    r"HTTP/0\.9|transport connection broken|bad record MAC|error reading server preface|"
    r"unexpected HTTP status code received from server|unknown service grpc\.health"
)
_STATUS = re2.compile(
    r"(?i)HTTP probe failed with statuscode: (?P<code>\d+)|service unhealthy|NOT_SERVING"
)
_HURRIED = 3  # seconds: all that initial delay, period and failures together leave to begin


@dataclass(frozen=True, slots=True)
class Failing:
    """A probe that fails now."""

    container: Container
    kind: str  # "Liveness", "Readiness", "Startup"
    probe: Json
    message: str  # what the kubelet said last
    since: datetime | None


def failing(state: ClusterState, kind: str) -> Iterator[Failing]:
    """Yield the probes of a kind that fail now: their container is not ready or was killed."""
    key = next(k for k, name in KINDS.items() if name == kind)
    for pod in state.pods:
        said = [
            each for each in state.events_of(object_of(pod, "Pod"), "Unhealthy")
            if each.message.startswith(f"{kind} probe") and state.is_fresh(each)
        ]  # fmt: skip
        killed = [
            each for each in state.events_of(object_of(pod, "Pod"), "Killing")
            if f"failed {kind.lower()} probe" in each.message and state.is_fresh(each)
        ]  # fmt: skip
        probed = [each for each in containers_of(pod) if each.spec.get(key)]
        for container in probed:
            ill = not container.ready or (
                kind != "Readiness" and bool(killed) and container.restarts
            )
            named = [each for each in said if len(probed) == 1 or _is_its(container, each.message)]
            if named and ill:
                began = min(each.began for each in named)
                yield Failing(container, kind, container.spec[key], named[-1].message, began)


def _is_its(container: Container, message: str) -> bool:
    """Say whether a message is about this container's probe: by the port that it names."""
    ports = {str(port) for port in _asked_ports(container)}
    return any(f":{port}" in message for port in ports) or not any(c == ":" for c in message)


def _asked_ports(container: Container) -> Iterator[object]:
    for key in KINDS:
        port = port_of(container, container.spec.get(key) or {})
        if port is not None:
            yield port


def port_of(container: Container, probe: Json) -> int | None:
    """Return the port that a probe asks, None when it runs a command or its name is none."""
    for how in ("httpGet", "tcpSocket", "grpc"):
        if how in probe:
            asked = (probe[how] or {}).get("port")
            if isinstance(asked, int) or str(asked).isdigit():
                return int(str(asked))
            for port in container.spec.get("ports") or ():
                if port.get("name") == asked:
                    return int(port["containerPort"])
    return None


def way_of(probe: Json) -> str:
    """Return how a probe asks."""
    return next((how for how in ("httpGet", "grpc", "tcpSocket", "exec") if how in probe), "")


def _declared(container: Container) -> set[int]:
    return {
        int(port["containerPort"])
        for each in containers_of(container.pod)
        for port in each.spec.get("ports") or ()
    }


def why(each: Failing) -> str:
    """Return "port", "protocol", "status", "time" or "process"."""
    port, declared = port_of(each.container, each.probe), _declared(each.container)
    way = way_of(each.probe)
    if way in {"httpGet", "grpc", "tcpSocket"} and (
        port is None or (declared and port not in declared)
    ):
        return "port"
    if _PROTOCOL.search(each.message):
        return "protocol"
    if _STATUS.search(each.message):
        return "status"
    if each.kind != "Readiness" and _is_hurried(each.probe):
        return "time"
    return "process"


def _is_hurried(probe: Json) -> bool:
    delay, period = (
        int(probe.get("initialDelaySeconds") or 0),
        int(probe.get("periodSeconds") or 10),
    )
    failures = int(probe.get("failureThreshold") or 3)
    return delay + period * (failures - 1) <= _HURRIED


_WHAT = {
    "port": "asks port {port}, {pod} opens {declared}",
    "protocol": "asks by {way}, and something else answers there",
    "status": "is answered: not well",
    "time": "gives {pod} {patience} s to begin and kills it",
    "process": "fails",
}
_SPOKEN = {"httpGet": "HTTP", "grpc": "gRPC", "tcpSocket": "TCP"}
_SETTLE = {
    "port": "the probe's port against what the process listens on",
    "protocol": "what the process speaks on that port",
    "status": "what the process checks when it is asked",
    "time": "how long the process takes to begin",
    "process": "whether the process hangs or begins slowly: its last lines",
}


def _signs(kind: str, reason: str, state: ClusterState) -> Iterator[Sign]:
    for each in failing(state, kind):
        if why(each) != reason:
            continue
        declared = ", ".join(map(str, sorted(_declared(each.container)))) or "none"
        probe = each.probe
        patience = int(probe.get("initialDelaySeconds") or 0) + int(
            probe.get("periodSeconds") or 10
        ) * (int(probe.get("failureThreshold") or 3) - 1)
        told = _WHAT[reason].format(
            port=port_of(each.container, probe) or "of a name that it does not have",
            pod=meta(each.container.pod).get("name", ""), declared=declared,
            way=_SPOKEN.get(way_of(probe), "a command"),
            patience=patience,
        )  # fmt: skip
        text = f"{kind.lower()} probe of {each.container.name} {told}: {shortened(each.message)}"
        yield Sign(state.workload_of(each.container.pod), text, since=each.since)


def _analyser(kind: str, reason: str) -> Analyser:
    role = Link.START if reason in {"port", "protocol", "time"} else Link.CARRY
    return Analyser(
        f"{kind.lower()}-probe-{reason}", role, ("deployment_rollback",), _SETTLE[reason],
        lambda state: _signs(kind, reason, state), 0 if role is Link.START else 6,
    )  # fmt: skip


ANALYSERS = tuple(
    _analyser(kind, reason)
    for kind in KINDS.values()
    for reason in _WHAT
    if (kind, reason) != ("Readiness", "time")
)
