"""Why a container ended, by the last lines that it wrote: what it was refused, what it lacked.

Read only of workloads with a container that ends or cannot begin; a line of a healthy one is no
reason. `state.lines` holds the newest lines of each workload, where a log store or the API gave
them.
"""

from __future__ import annotations

from collections.abc import Iterator

import re2

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState
from tools.doctor.words import shortened

NEWEST = 200  # lines of a workload that are read


def _ending(state: ClusterState) -> Iterator[tuple[Object, str]]:
    for container in state.containers():
        code = container.terminated.get("exitCode")
        ends = not container.runs and code not in {None, 0, "0"}
        if ends or container.waiting.get("reason") == "CrashLoopBackOff":
            yield state.workload_of(container.pod), container.name


def _says(pattern: str, what: str, state: ClusterState) -> Iterator[Sign]:
    compiled = re2.compile(f"(?i){pattern}")
    for workload in sorted({owner for owner, _ in _ending(state)}):
        for line in reversed(state.lines.get(workload, ())[-NEWEST:]):
            if compiled.search(line[:2_000]):
                yield Sign(workload, f"{what.format(name=workload.name)}: {shortened(line)}")
                break


def _line(name: str, pattern: str, what: str, settle: str, rank: int = 2) -> Analyser:
    return Analyser(
        name, Link.START, ("deployment_rollback", "config_rollback"), settle,
        lambda state: _says(pattern, what, state), rank,
    )  # fmt: skip


ANALYSERS = (
    _line("file-not-permitted",
              r"(?:open|create|mkdir|write|chown|access|append|directory|file|"
              r"/\S+).{0,200}(?:permission denied|EACCES|read-only file system)",
          "{name} may not use a file or folder that it needs",
          "owner and mode of the volume against the user of the container", 1),
    _line("disk-full", r"no space left on device|ENOSPC|disk quota exceeded",
          "{name} has no room left to write", "what fills the volume", 1),
    _line("port-in-use", r"address already in use|EADDRINUSE", "{name} wants a port that is taken",
          "what else listens on it in the pod, or on the host", 1),
    _line("heap-exhausted",
        r"OutOfMemoryError|heap out of memory|cannot "
        r"allocate memory|std::bad_alloc",
          "{name} has no memory left of its own", "its heap's limit against the container's", 1),
    _line("credential-refused",
              r"(?:password authentication|login|access denied for user|"
              r"authentication) fail\w*|access denied for user|invalid (?:credentials|"
              r"api key|token)|WRONGPASS|NOAUTH",
              "{name} is refused with the "
              "credential that it has", "when the credential was changed", 1),
    _line("setting-missing",
              r"(?:environment variable|env var|setting|property|flag|option|"
              r"config(?:uration)? (?:key|value)).{0,120}(?:not set|missing|required|"
              r"undefined|must be)|missing required|KeyError: '[A-Z_]{3,}'",
          "{name} lacks a setting that it needs",
              "what the last deploy expects "
              "of its environment"),
    _line("config-not-read",
          r"(?:parse|parsing|invalid|malformed|unknown|unmarshal|decode).{0,80}(?:config|yaml|json|toml|properties|directive)|(?:config|yaml|json|toml).{0,80}(?:parse|parsing|invalid|malformed|syntax)",
          "{name} cannot read its configuration", "what of the configuration changed"),
    _line("schema-behind",
        r"(?:relation|table|column) \S+ (?:does not exist|doesn't exist)|no such (?:table|"
        r"column)|unknown column|migration.{0,60}fail",
          "{name} and its database's schema do not fit", "which migrations ran"),
    _line("module-missing",
        r"ModuleNotFoundError|ImportError|ClassNotFoundException|NoClassDefFoundError|"
        r"Cannot find module|error while loading shared libraries",
              "a part of the program of {name} "
              "is not in its image", "what the image was built from", 1),
)  # fmt: skip
