"""The state doctor: what a cluster's objects say is wrong with them, without any metric.

    ClusterState (objects, events, units of nodes) ──every analyser──> Found, worst first

Each analyser is one predicate over the objects with its sentence, remedies and what would settle
it; `python -m bench cloudops` prints how often each fired and was right. All are pure and run in
the order of this table: the same state gives the same answer. The analysers' knowledge is that of
kubernetes.io's documentation of the objects and of the words that kubelet, scheduler, controllers,
container runtimes and registries use.
"""

from tools.doctor import (
    admission,
    containers,
    images,
    nodes,
    probes,
    scheduling,
    services,
    volumes,
    workloads,
)  # fmt: skip
from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Found, Link, Sign
from tools.doctor.state import ClusterState, UnitState

ANALYSERS: tuple[Analyser, ...] = (
    *nodes.ANALYSERS, *admission.ANALYSERS, *scheduling.ANALYSERS, *volumes.ANALYSERS,
    *images.ANALYSERS, *containers.ANALYSERS, *probes.ANALYSERS, *services.ANALYSERS,
    *workloads.ANALYSERS,
)  # fmt: skip
_ORDER = {Link.START: 0, Link.CARRY: 1, Link.SHOW: 2}


def examine(state: ClusterState) -> tuple[Found, ...]:
    """Return everything that is or was wrong: what may be a cause first, what is over last."""
    found = [Found(each, sign) for each in ANALYSERS for sign in each.look(state)]
    return tuple(sorted(found, key=_key))


def _key(each: Found) -> tuple[object, ...]:
    sign = each.sign
    return (not each.present, _ORDER[each.by.role], each.by.rank, sign.subject, sign.sentence)


__all__ = [
    "ANALYSERS",
    "Analyser",
    "ClusterState",
    "Found",
    "Link",
    "Object",
    "Sign",
    "UnitState",
    "examine",
]  # fmt: skip
