"""Containers that end: out of memory, without their command, by a signal, by an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import FRESH, ClusterState, Container
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json, meta

NOT_THERE = ("executable file not found", "no such file or directory")
RESTARTS = ("deployment_rollback", "pod_restart")
Matches = Callable[[Container, Json], bool]


def _code(end: Json) -> int | None:
    code = end.get("exitCode")
    return int(code) if isinstance(code, int | str) and str(code).lstrip("-").isdigit() else None


def _says(end: Json, *words: str) -> bool:
    text = f"{end.get('reason', '')} {end.get('message', '')}".lower()
    return any(word in text for word in words)


def _is_oom(_: Container, end: Json) -> bool:
    return end.get("reason") == "OOMKilled"


def _is_not_there(_: Container, end: Json) -> bool:
    return _code(end) == 127 or _says(end, *NOT_THERE)


def _is_not_runnable(_: Container, end: Json) -> bool:
    return _code(end) == 126 or (_says(end, "permission denied") and _code(end) != 127)


def _is_other_machine(_: Container, end: Json) -> bool:
    return _says(end, "exec format error")


def _is_fault(_: Container, end: Json) -> bool:
    return _code(end) in {139, 134, 136, 132}


def _is_done(container: Container, end: Json) -> bool:
    policy = (container.pod.get("spec") or {}).get("restartPolicy", "Always")
    wants_to_run = container.of == "containers" and policy == "Always"
    return wants_to_run and _code(end) == 0 and not container.runs


def _is_killed(_: Container, end: Json) -> bool:
    return _code(end) == 137 and end.get("reason") != "OOMKilled"


def _is_error(_: Container, end: Json) -> bool:
    code = _code(end)
    return code is not None and code not in {0, 126, 127, 132, 134, 136, 137, 139, 143}


def _seen(what: str, matches: Matches, state: ClusterState) -> Iterator[Sign]:
    for container in state.containers():
        end = container.terminated
        if not end or not matches(container, end):
            continue
        at = time_of(end.get("finishedAt"))
        now = (not container.ready and container.of == "containers") or not container.runs
        recent = at is not None and state.at - at <= FRESH
        workload = state.workload_of(container.pod)
        yield Sign(
            workload,
            f"{_called(container)} {what}{_detail(container, end)}",
            since=time_of(end.get("startedAt")) if now else at,
            ended=None if now or recent else at or state.at,
        )


def _called(container: Container) -> str:
    kind = {"initContainers": "init container"}.get(container.of, "container")
    return f"{kind} {container.name} of pod {meta(container.pod).get('name', '')}"


def _detail(container: Container, end: Json) -> str:
    code, last = _code(end), " ".join(str(end.get("message") or "").split())
    limit = ((container.spec.get("resources") or {}).get("limits") or {}).get("memory")
    parts = [f"exit code {code}"] if code is not None else []
    parts += [f"memory limit {limit}"] if limit and end.get("reason") == "OOMKilled" else []
    parts += [f"{container.restarts} restarts"] if container.restarts else []
    told = f" ({', '.join(parts)})" if parts else ""
    return f"{told}: {last[-300:]}" if last else told


def _exits(name: str, what: str, matches: Matches, role: Link, settle: str, rank: int) -> Analyser:
    return Analyser(name, role, RESTARTS, settle, lambda state: _seen(what, matches, state), rank)


def _crash_loops(state: ClusterState) -> Iterator[Sign]:
    for container in state.containers():
        if container.waiting.get("reason") == "CrashLoopBackOff":
            yield Sign(
                state.workload_of(container.pod),
                f"{_called(container)} is started again and again ({container.restarts} restarts)",
            )


ANALYSERS = (
    _exits("oom-killed", "was killed: out of memory", _is_oom, Link.START,
           "memory of the container against its limit over the last hours", 0),
    _exits("wrong-machine", "is built for another machine", _is_other_machine, Link.START,
           "the image's platforms against the node's architecture", 0),
    _exits("command-not-found", "cannot find its command", _is_not_there, Link.START,
           "command and args of the container against what the image holds", 1),
    _exits("command-not-executable", "may not run its command", _is_not_runnable, Link.START,
           "the file's mode in the image and the security context", 1),
    _exits("crashed", "crashed by a fault of its own", _is_fault, Link.START,
           "the last lines it wrote and what was deployed before", 1),
    _exits("ended-though-asked-to-run", "ended by itself though it should run", _is_done,
           Link.START, "its command: a server must stay in the foreground", 1),
    _exits("exits-with-error", "ends with an error", _is_error, Link.START,
           "the last lines it wrote before it ended", 3),
    _exits("killed", "was killed by a signal", _is_killed, Link.CARRY,
           "the node's log and the pod's liveness probe", 4),
    Analyser("crash-loop", Link.SHOW, (), "why it ended", _crash_loops, 9),
)  # fmt: skip
