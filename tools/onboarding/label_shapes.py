"""What a label's values look like: names of services, instances, codes, paths.

Label names are rewritten on real platforms, values much less: a pod is told by its suffix, a target
by its port, a status by its codes. Names of labels only break ties.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import re2

from tools.onboarding.families import words_of
from tools.onboarding.vocabulary import listed
from tools.world import Labels

Rows = Sequence[Mapping[str, str]]  # labels of series

_NAME = re2.compile(r"[A-Za-z][A-Za-z0-9_.\-/@]{0,99}")
_HOST_PORT = re2.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.\-]+):[0-9]{1,5}")
_ADDRESS = re2.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]+")
_HASHED = re2.compile(r"(?i)[0-9a-f]{8}-[0-9a-f]{4}-.*|[0-9a-f]{16,}|.*sha256:.*")
# Kubernetes draws suffixes from 27 characters without vowels (apimachinery, util/rand)
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
POD_PATTERN = f"(.+?)(-[{_SAFE}0-9]{{6,10}})?-([{_SAFE}]{{5}}|[0-9]{{1,3}})"
_POD = re2.compile(POD_PATTERN)
_DRAWN = re2.compile(f".+-[{_SAFE}0-9]{{6,10}}-[{_SAFE}]{{5}}")


def values_of(rows: Rows, label: str) -> set[str]:
    """Return the values a label has, without the empty one."""
    return {row[label] for row in rows if row.get(label)}


def labels_in(rows: Rows) -> list[str]:
    """Return the names of all labels that any row has, sorted."""
    return sorted({name for row in rows for name, value in row.items() if value})


def is_name(value: str) -> bool:
    """Say whether a value can be a service's name: no address, no hash, no path, no number."""
    return (
        _NAME.fullmatch(value) is not None
        and not is_instance(value)
        and not _HASHED.fullmatch(value)
        and "://" not in value
        and not value.startswith("/")
    )


def is_instance(value: str) -> bool:
    """Say whether a value is an address of a target."""
    return bool(_HOST_PORT.fullmatch(value) or _ADDRESS.fullmatch(value))


def is_pod(value: str) -> bool:
    """Say whether Kubernetes drew the end of a name, as of a Deployment's pod."""
    return _DRAWN.fullmatch(value) is not None


def workload_of(pod: str) -> str:
    """Return the name of what a pod belongs to, by its name's shape; itself without one."""
    hit = _POD.fullmatch(pod)
    return hit[1] if hit else pod


def kind_of(pod: str) -> str:
    """Return the kind of what a pod belongs to, by its name's shape."""
    if _DRAWN.fullmatch(pod):
        return "Deployment"
    return "StatefulSet" if re2.fullmatch(r".+-[0-9]{1,3}", pod) else "DaemonSet"


def pod_label(rows: Rows) -> str:
    """Return the label that names pods; empty when none does."""
    best, most = "", 0.5
    for label in labels_in(rows):
        values = values_of(rows, label)
        drawn = sum(1 for value in values if is_pod(value)) / len(values)
        named = "pod" in words_of(label) and not label.endswith(("_ip", "uid"))
        if drawn + named > most:
            best, most = label, drawn + named
    return best


def prior(label: str) -> int:
    """Return what a label's own name says for it as a service's name: 2 much … -2 against it."""
    words = words_of(label)
    if words and words[0] == "exported":  # what the program itself said, before Prometheus' own
        words = words[1:]
    detail = {"version", "type", "id", "team", "tier"} & set(words)  # of a service, not its name
    if listed("label_service") & set(words) and not detail:
        return 2
    if set(words) & listed("label_other"):
        return -2
    return 1 if set(words) & listed("label_perhaps") else 0


def team_label(rows: Rows) -> str:
    """Return the label that names the owners; empty when none does."""
    named = [label for label in labels_in(rows) if set(words_of(label)) & listed("label_team")]
    good = [label for label in named if all(is_name(value) for value in values_of(rows, label))]
    return max(good, key=lambda label: sum(1 for row in rows if row.get(label)), default="")


def mappings(rows: Iterable[Labels]) -> list[dict[str, str]]:
    """Return rows of labels as mappings, without the metric's own name."""
    return [{k: v for k, v in row if k != "__name__"} for row in rows]


def share(values: Collection[str], wanted: Collection[str]) -> float:
    """Return the share of values that are wanted; 0 for none."""
    return sum(1 for value in values if value in wanted) / len(values) if values else 0.0
