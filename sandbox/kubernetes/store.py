"""The objects of the imitated cluster, their one version counter and the history watches read.

    put / remove ──> resourceVersion + 1 ──> Notice(ADDED | MODIFIED | DELETED) kept for watches

Objects are plain JSON. `peek` and `every` hand out the stored object (read it, never change it);
`get` hands out a copy; `update` copies, changes, and stores only if something really changed.
Controllers ask for everything of a kind and everything of an owner at every step: the order of a
kind and the objects of each controller are kept, not found anew.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.kubernetes.resources import Resource
from sandbox.kubernetes.status import Json, gone

Key = tuple[str, str, str]  # resource id, namespace ("" if none), name
HISTORY_LENGTH = 4000  # notices kept; older resource versions are answered with 410


@dataclass(frozen=True)
class Notice:
    """One change, as a watch reports it."""

    version: int
    type: str  # ADDED | MODIFIED | DELETED
    resource_id: str
    item: Json
    before: Json | None  # the object until now: selectors may have matched it


def copied(value: Any) -> Any:
    """Return a copy of plain JSON; several times faster than `copy.deepcopy`, which asks more."""
    if type(value) is dict:
        return {name: copied(member) for name, member in value.items()}
    if type(value) is list:
        return [copied(member) for member in value]
    return value


def stamp(at: float) -> str:
    """RFC 3339 in UTC with whole seconds, as Kubernetes writes times."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def stamp_micro(at: float) -> str:
    """RFC 3339 with microseconds (MicroTime)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time."""
    return datetime.fromisoformat(text).timestamp()


class Store:
    """Objects by key, with versions and history."""

    def __init__(self) -> None:
        """Start empty."""
        self._items: dict[Key, Json] = {}
        self._kinds: dict[str, dict[Key, Json]] = defaultdict(dict)  # the same, by resource id
        self._orders: dict[str, list[Key]] = {}  # keys of a resource id, sorted; none: not yet
        self._owned: dict[tuple[str, str], set[Key]] = defaultdict(set)  # by controller's uid
        self.version = 1000
        self._notices: deque[Notice] = deque(maxlen=HISTORY_LENGTH)
        self._compacted = 1000  # the newest version whose successors may be missing

    def peek(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Return the stored object itself, for reading only."""
        return self._items.get((resource.id, namespace if resource.namespaced else "", name))

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Return a copy of the object."""
        found: Json | None = copied(self.peek(resource, namespace, name))
        return found

    def every(self, resource: Resource, namespace: str = "") -> list[Json]:
        """Objects by namespace and name, for reading only; all namespaces when none is given."""
        items = self._kinds[resource.id]
        order = self._orders.get(resource.id)
        if order is None:
            order = self._orders[resource.id] = sorted(items)
        return [items[key] for key in order if not namespace or key[1] == namespace]

    def owned(self, resource: Resource, owner: Json) -> list[Json]:
        """Objects whose controller is `owner`, for reading only."""
        uid, namespace = owner["metadata"]["uid"], owner["metadata"].get("namespace", "")
        keys = sorted(self._owned.get((resource.id, uid), ()))
        return [self._items[key] for key in keys if not namespace or key[1] == namespace]

    def put(self, resource: Resource, item: Json) -> Json:
        """Store a copy under a new version."""
        key = _key(resource, item)
        before = self._items.get(key)
        self.version += 1
        stored: Json = copied(item)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self._keep(key, stored, before)
        kind = "ADDED" if before is None else "MODIFIED"
        self._note(Notice(self.version, kind, resource.id, stored, before))
        return stored

    def update(self, resource: Resource, item: Json, change: Callable[[Json], None]) -> bool:
        """Apply `change` to a copy of the object and store it if it differs."""
        stored = self._items.get(_key(resource, item))
        if stored is None:
            return False
        draft = copied(stored)
        change(draft)
        return self._put_if_changed(resource, draft, stored)

    def update_status(self, resource: Resource, item: Json, change: Callable[[Json], None]) -> bool:
        """Do what `update` does, with a change of nothing but the status: it copies less."""
        stored = self._items.get(_key(resource, item))
        if stored is None:
            return False
        draft = {**stored, "status": copied(stored.get("status") or {})}
        change(draft)
        return self._put_if_changed(resource, draft, stored)

    def _put_if_changed(self, resource: Resource, draft: Json, stored: Json) -> bool:
        if draft == stored:
            return False
        self.put(resource, draft)
        return True

    def remove(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """Delete the object and return its last state."""
        key = (resource.id, namespace if resource.namespaced else "", name)
        item = self._items.pop(key, None)
        if item is None:
            return None
        del self._kinds[resource.id][key]
        self._orders.pop(resource.id, None)
        self._owned[resource.id, controller_uid(item) or ""].discard(key)
        self.version += 1
        last: Json = copied(item)
        last["metadata"]["resourceVersion"] = str(self.version)
        self._note(Notice(self.version, "DELETED", resource.id, last, item))
        return last

    def _keep(self, key: Key, item: Json, before: Json | None) -> None:
        """Put it where it is found by."""
        if before is None:
            self._orders.pop(key[0], None)
        else:
            self._owned[key[0], controller_uid(before) or ""].discard(key)
        self._owned[key[0], controller_uid(item) or ""].add(key)
        self._items[key] = self._kinds[key[0]][key] = item

    def _note(self, notice: Notice) -> None:
        if len(self._notices) == self._notices.maxlen:
            self._compacted = self._notices[0].version
        self._notices.append(notice)

    @property
    def oldest(self) -> int:
        """The oldest version whose successors are all remembered."""
        return self._compacted

    def compact(self) -> None:
        """Forget the history: every older resourceVersion is answered with 410 from now on."""
        self._notices.clear()
        self._compacted = self.version

    def since(self, version: int) -> Iterator[Notice]:
        """Changes after `version`; ApiError 410 if some of them are forgotten."""
        if version < self._compacted:
            raise gone(self._compacted, version)
        fresh: list[Notice] = []
        for notice in reversed(self._notices):
            if notice.version <= version:
                break
            fresh.append(notice)
        return reversed(fresh)

    def dump(self) -> Json:
        """Everything a restart needs, as JSON."""
        rows = [[*key, item] for key, item in self._items.items()]
        return {"version": self.version, "items": rows}

    def load(self, stored: Json) -> None:
        """Take over what `dump` wrote; watches must list again."""
        rows: Iterable[list[Any]] = stored["items"]
        for kept in (self._items, self._kinds, self._orders, self._owned):
            kept.clear()
        for row in rows:
            self._keep((row[0], row[1], row[2]), row[3], None)
        self.version = stored["version"]
        self.compact()


def _key(resource: Resource, item: Json) -> Key:
    meta = item["metadata"]
    return resource.id, meta.get("namespace", "") if resource.namespaced else "", meta["name"]


def controller_uid(item: Json) -> str | None:
    """Uid of the object's controller."""
    for owner in item["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            uid: str = owner["uid"]
            return uid
    return None
