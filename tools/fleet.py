"""Several instances of one backend as one port: two clusters, two Prometheus, two Loki.

    Fleet(names, default) ──at(name)──> one instance          unknown: BadArgumentError
          │              └─of_cluster(c)─> the instance that observes a cluster
          └─ask_each──> answers by instance + who did not answer, and why

A fleet is itself the port: asked without a name it asks every instance and joins the answers. One
dead instance is named in `silent` and costs its own part; only when nobody answers an error is
raised. One configured instance needs no fleet: every function here takes a plain port as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, cast

import structlog

from foundation.nearest import nearest
from tools.errors import BackendError, BackendUnavailableError, BadArgumentError
from tools.ports import HasHealth, Health

log = structlog.get_logger(__name__)
P = TypeVar("P", bound=HasHealth)
T = TypeVar("T")

GRACE_SECONDS = 10.0  # wall: what a slow instance gets after the first one has answered


@dataclass(frozen=True, slots=True)
class Gathered(Generic[T]):
    """What the instances answered; `failed` says of the others why they did not."""

    answers: Mapping[str, T]
    failed: Mapping[str, BackendError]


class Fleet(Generic[P]):
    """The instances of one backend by name; the first is the default."""

    def __init__(self, backend: str, members: Mapping[str, P], clusters: Mapping[str, str]) -> None:
        """`clusters` maps an instance to the cluster it observes, where that is known."""
        if not members:
            raise ValueError(f"a fleet of {backend} needs at least one instance")
        self.backend = backend
        self.members = dict(members)
        self.clusters = dict(clusters)
        self.silent: dict[str, str] = {}  # instance: why its last answer is missing

    @property
    def names(self) -> tuple[str, ...]:
        """The instances, the default first."""
        return tuple(self.members)

    @property
    def default(self) -> P:
        """The instance that is meant when nobody says which."""
        return next(iter(self.members.values()))

    def at(self, name: str) -> P:
        """Return one instance. Raises BadArgumentError with the nearest name."""
        try:
            return self.members[name]
        except KeyError:
            raise BadArgumentError(
                f"no instance {name!r} of {self.backend}.{nearest(name, self.members)}"
            ) from None

    def of_cluster(self, cluster: str) -> P | None:
        """Return the instance that observes a cluster, or None when none is known to."""
        named = next((n for n, c in self.clusters.items() if c and c == cluster), None)
        return self.members[named] if named else None

    async def health(self) -> Health:
        """Say how the instances are together: up when all are, down when none is."""
        healths = await healths_of(self)
        bad = [h for h in healths if not h.up]
        detail = "; ".join(f"{h.name}: {h.detail}" for h in bad)
        return Health(
            self.backend,
            up=len(bad) < len(healths),
            detail=detail or f"{len(healths)} instances answer",
            since=min((h.since for h in bad if h.since), default=None),
            degraded=bool(bad) or any(h.degraded for h in healths),
        )

    async def close(self) -> None:
        """Close nothing: whoever built the instances closes them."""

    async def joined(self, ask: Callable[[P], Awaitable[T]]) -> dict[str, T]:
        """Ask every instance. Raises BackendUnavailableError only when none answers."""
        gathered = await ask_each(self, ask)
        for name, error in gathered.failed.items():
            log.warning(
                "fleet.instance_silent", backend=self.backend, instance=name, why=str(error)
            )
        if not gathered.answers:
            why = "; ".join(f"{name}: {error}" for name, error in gathered.failed.items())
            raise BackendUnavailableError(self.backend, f"no instance answers ({why})")
        return dict(gathered.answers)


def members_of(port: P | Fleet[P]) -> dict[str, P]:
    """Return the instances of a port by name; a plain port is its own only one, unnamed."""
    return dict(port.members) if isinstance(port, Fleet) else {"": port}


def pick(port: P, instance: str = "", *, cluster: str = "", what: str = "instance") -> P:
    """Return what to ask: the named instance, else the one of the cluster, else all together.

    Raises BadArgumentError for an unknown name.
    """
    if isinstance(port, Fleet):
        if instance:
            return cast("P", port.at(instance))
        found = port.of_cluster(cluster) if cluster else None
        return cast("P", found) if found is not None else port
    if instance:
        raise BadArgumentError(
            f"there is only one {what} and it has no name; leave {instance!r} out"
        )
    return port


def default_of(port: P) -> P:
    """Return the default instance."""
    return cast("P", port.default) if isinstance(port, Fleet) else port


def silence(port: object) -> list[str]:
    """Return the line that says which instances did not answer; none when every one did."""
    if not isinstance(port, Fleet) or not port.silent:
        return []
    told = "; ".join(f"{name} ({why})" for name, why in port.silent.items())
    return [f"NOT LOOKED AT: {port.backend} {told}"]


async def healths_of(port: HasHealth) -> list[Health]:
    """Ask each instance how it is."""
    if not isinstance(port, Fleet):
        return [await port.health()]
    healths = await asyncio.gather(*(m.health() for m in port.members.values()))
    named = zip(port.members, healths, strict=True)
    return [replace(health, name=f"{health.name} {name}") for name, health in named]


async def ask_each(port: P | Fleet[P], ask: Callable[[P], Awaitable[T]]) -> Gathered[T]:
    """Ask every instance at once.

    The first answer starts the grace of the others: an instance that hangs is left behind and
    named, so that it never holds up what the others know.
    """
    members = members_of(port)
    tasks = {name: asyncio.ensure_future(ask(each)) for name, each in members.items()}
    try:
        await _first_then_grace(set(tasks.values()))
    finally:
        late = [task for task in tasks.values() if not task.done()]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    answers: dict[str, T] = {}
    failed: dict[str, BackendError] = {}
    for name, task in tasks.items():
        if task.cancelled():
            backend = port.backend if isinstance(port, Fleet) else name
            failed[name] = BackendUnavailableError(
                backend, f"{name}: no answer {GRACE_SECONDS:g} s after the others had answered"
            )
            _left_behind(members[name], failed[name])
        elif isinstance(error := task.exception(), BackendError):
            failed[name] = error
        else:
            answers[name] = task.result()
    if isinstance(port, Fleet):
        port.silent = {name: str(error) for name, error in failed.items()}
    return Gathered(answers, failed)


async def _first_then_grace(tasks: set[asyncio.Future[T]]) -> None:
    """Wait for all; after the first good answer no longer than the grace."""
    loop = asyncio.get_running_loop()
    waiting = set(tasks)
    ends: float | None = None
    while waiting:
        left = None if ends is None else max(0.0, ends - loop.time())
        done, waiting = await asyncio.wait(
            waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            return
        if ends is None and any(not t.cancelled() and t.exception() is None for t in done):
            ends = loop.time() + GRACE_SECONDS


def _left_behind(member: object, error: BackendError) -> None:
    """Let an instance that hangs count the call it was left in as a failure."""
    condition = getattr(member, "condition", None)
    if condition is not None:
        condition.failed(str(error))
