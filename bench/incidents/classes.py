"""Mechanism classes, and what an answer must say to name one. Written before anything was scored.

A kind of fault lists the classes that are right for it. An answer names a class when the kind word
and the sentence of its first cause speak of it; wording is free, the mechanism is not: "is slow",
"has errors", "is unhealthy" name none. Subjects are names that must stand in the cause's service or
sentence as whole words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

CLASSES: Mapping[str, str] = {
    "memory": r"memory|oom|heap|garbage|leak(?!.*connection)",
    "cpu": r"cpu|throttl|processor|cores?\b",
    "threads": r"thread|worker pool|slots|concurren|rejected|overload|queue is full|backlog",
    "connections": r"connection pool|pool|too many clients|max_connections|connections",
    "statement": r"statement|quer(?:y|ies)|index|slow sql|\bsql\b|lock|transaction",
    "lock": r"lock|blocked|waiting for|transaction",
    "database": r"database is slow|slow database|database work",
    "disk": r"disk|volume is full|no space|storage|fills? up|filesystem",
    "volume": r"volume|mount|attach|persistentvolumeclaim|\bpvc\b",
    "network": r"network|packet|policy|unreachable|connect(?:ion)? timed? ?out|i/o timeout|latency between",
    "dns": r"\bdns\b|resol(?:ve|ution)|lookup|name service|coredns|unknown host",
    "certificate": r"certificate|tls|x509|ssl|handshake|expired",
    "credentials": r"password|credential|authenticat|access denied|login|refused.*user|permission denied",
    "image": r"image|pull",
    "scheduling": r"schedul|no node|unplaced|cannot be placed|fits?\b|affinity|taint|insufficient|pending",
    "quota": r"quota|limit(?:ed)? by the namespace|too many requests|\b429\b|rate limit",
    "config": r"config|setting|secret|environment|variable|limit|probe|selector|manifest|key\b|timeout lowered",
    "probe": r"probe|liveness|readiness|health check",
    "route": r"selector|endpoint|selects no|leads? nowhere|no pods? behind|connection refused",
    "crash": r"crash|exit(?:s|ed)? with|cannot start|ends? by itself|fails? to start|exit code",
    "deploy": r"deploy|release|rollout|version|revision|image changed|rolled out",
    "bug": r"exception|panic|null|error in its code|bug|regression|new error|stack ?trace|deserializ|throws",
    "traffic": r"traffic|surge|load|requests? per second|more requests|demand|volume of requests",
    "outside": r"outside|external|provider|third[- ]party|upstream provider|\.example\b",
    "cache": r"cache|hit ratio|misses|evict",
    "queue": r"queue|consumer|lag|backlog|message|poison|topic",
    "machine": r"node|machine|host|kubelet",
    "replication": r"replica(?:tion)? lag|replication|behind (?:its|the) primary|stale",
    "replica": r"one (?:pod|replica)|single (?:pod|replica)|of its (?:pods|replicas)|pod .* (?:slow|fail|unlike)",
    "files": r"open files|file descriptor|too many open|handles|emfile|\bfds?\b",
    "timeout": r"time[- ]?out|deadline",
}
_READ = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in CLASSES.items()}


def names_class(text: str, classes: Iterable[str]) -> bool:
    """Say whether a text speaks of one of the classes."""
    return any(_READ[each].search(text) for each in classes)


def names_subject(text: str, subjects: Iterable[str]) -> bool:
    """Say whether a text names one of the subjects as a whole word."""
    return any(
        re.search(rf"(?<![\w-]){re.escape(each)}(?![\w-])", text, re.IGNORECASE)
        for each in subjects
    )
