"""Who calls whom: the families of graphs that incidents happen on.

    Part   one thing that serves: a service, a database, a cache, a broker, somebody outside
    Link   one part using another: calls per request, and whether the caller waits

Links always point to a part with a higher number: what a step of the mechanics needs of its callees
stands behind it, and nothing calls in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

Random = np.random.Generator


class What(StrEnum):
    """What a part is."""

    SERVICE = "service"
    DATABASE = "database"
    REPLICA = "replica"  # of a database, read from
    CACHE = "cache"
    BROKER = "broker"
    OUTSIDE = "outside"  # a provider whom nobody here can look into


@dataclass(frozen=True, slots=True)
class Part:
    """One node of the graph."""

    number: int
    name: str
    what: What
    cluster: str
    namespace: str
    product: str = ""  # postgres, mysql, redis, kafka, rabbitmq; of an outsider: its host name

    @property
    def runs_here(self) -> bool:
        """Whether a cluster of ours runs it."""
        return self.what is not What.OUTSIDE


@dataclass(frozen=True, slots=True)
class Link:
    """One part using another."""

    caller: int
    callee: int
    calls: float  # per request of the caller
    waits: bool = True  # False: it leaves a message and goes on
    cache: int = -1  # only what misses this cache goes there


@dataclass(slots=True)
class Graph:
    """All of it."""

    family: str
    parts: list[Part] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)  # where people come in
    asked: int = 0  # whose trouble somebody asks about
    clusters: tuple[str, ...] = ("main",)

    def add(self, name: str, what: What = What.SERVICE, **more: str) -> int:
        """Add a part and return its number."""
        cluster = more.pop("cluster", self.clusters[0])
        namespace = more.pop("namespace", "apps")
        self.parts.append(Part(len(self.parts), name, what, cluster, namespace, **more))
        return len(self.parts) - 1

    def link(
        self, caller: int, callee: int, calls: float = 1.0, *, waits: bool = True, cache: int = -1
    ) -> None:
        """Let one part use another."""
        self.links.append(Link(caller, callee, calls, waits, cache))

    def of(self, *whats: What) -> list[int]:
        """Return the numbers of the parts of these sorts."""
        return [each.number for each in self.parts if each.what in whats]

    def below(self, number: int) -> set[int]:
        """Return everything a part uses, at any depth, itself included."""
        found, waiting = {number}, [number]
        while waiting:
            here = waiting.pop()
            for each in self.links:
                if each.caller == here and each.callee not in found:
                    found.add(each.callee)
                    waiting.append(each.callee)
        return found

    def depth(self, number: int) -> int:
        """Return how many links the longest way below a part has."""
        ways = [self.depth(each.callee) for each in self.links if each.caller == number]
        return 1 + max(ways) if ways else 0


class Names:
    """Draws names: of services, stores, outsiders, each once."""

    def __init__(self, random: Random, words: Sequence[str], ends: Sequence[str]) -> None:
        """Take words of a trade and what such names end with."""
        self._random = random
        self._words = [str(each) for each in random.permutation(list(words))]
        self._ends = list(ends)

    def word(self) -> str:
        """Return a word nobody has yet."""
        return self._words.pop() if self._words else f"svc{self._random.integers(100, 999)}"

    def service(self) -> str:
        """Return a service's name."""
        return f"{self.word()}{self._random.choice(self._ends)}"


@dataclass(slots=True)
class Drawing:
    """A graph that is being drawn."""

    graph: Graph
    random: Random
    names: Names
    space: str = "apps"

    def service(self) -> int:
        """Add a service."""
        return self.graph.add(self.names.service(), What.SERVICE, namespace=self.space)

    def store(self, owner: int, *, product: str = "", cached: float = 0.35) -> int:
        """Add a database for a service, at times with a cache before it or a replica beside it."""
        graph, random = self.graph, self.random
        product = product or str(random.choice(["postgres", "postgres", "mysql"]))
        stem = f"{graph.parts[owner].name}-{random.choice(['db', 'store', 'postgres', 'sql'])}"
        stem = stem if product == "postgres" else stem.replace("postgres", "mysql")
        cluster = graph.parts[owner].cluster
        cache = -1
        if random.random() < cached:
            name = f"{graph.parts[owner].name}-{random.choice(['cache', 'redis'])}"
            cache = graph.add(
                name, What.CACHE, product="redis", cluster=cluster, namespace=self.space
            )
            graph.link(owner, cache)
        number = graph.add(
            stem, What.DATABASE, product=product, cluster=cluster, namespace=self.space
        )
        graph.link(owner, number, float(random.choice([1.0, 1.0, 2.0, 3.0])), cache=cache)
        if random.random() < 0.25:
            copy = graph.add(
                f"{stem}-ro", What.REPLICA, product=product, cluster=cluster, namespace=self.space
            )
            graph.link(owner, copy, 1.0)
        return number

    def outsider(self, user: int, calls: float = 0.4) -> int:
        """Add a provider outside."""
        word = self.names.word()
        host = f"{self.random.choice(['api', 'gateway', 'v2.api'])}.{word}.example"
        number = self.graph.add(host, What.OUTSIDE, product=host)
        self.graph.link(user, number, calls)
        return number

    def finish_leaves(self, outsiders: int = 1) -> None:
        """Give every second leaf a store and some service an outsider."""
        graph, random = self.graph, self.random
        callers = {each.caller for each in graph.links}
        for leaf in [n for n in graph.of(What.SERVICE) if n not in callers]:
            if random.random() < 0.6:
                self.store(leaf)
        services = graph.of(What.SERVICE)
        for _ in range(outsiders):
            self.outsider(int(random.choice(services)), float(random.choice([0.2, 0.5, 1.0])))


def chain(drawing: Drawing, size: int) -> None:
    """One after another."""
    before = drawing.service()
    for _ in range(max(size - 2, 2)):
        here = drawing.service()
        drawing.graph.link(before, here, float(drawing.random.choice([1.0, 1.0, 0.6, 2.0])))
        before = here
    drawing.store(before)
    drawing.finish_leaves()


def fan_out(drawing: Drawing, size: int) -> None:
    """One asks many."""
    front = drawing.service()
    for _ in range(max(size - 3, 3)):
        here = drawing.service()
        drawing.graph.link(front, here, float(drawing.random.choice([1.0, 0.5, 0.3])))
    drawing.finish_leaves(outsiders=2)


def diamond(drawing: Drawing, size: int) -> None:
    """Several ways lead to the same service and its store."""
    front = drawing.service()
    middle = [drawing.service() for _ in range(max(2, size // 3))]
    shared = drawing.service()
    for each in middle:
        drawing.graph.link(front, each, float(drawing.random.choice([1.0, 0.7])))
        drawing.graph.link(each, shared, float(drawing.random.choice([1.0, 1.0, 2.0])))
    drawing.store(shared)
    for each in middle[: max(1, size // 6)]:
        leaf = drawing.service()
        drawing.graph.link(each, leaf, 0.5)
    drawing.finish_leaves()


def mesh(drawing: Drawing, size: int) -> None:
    """Many call many."""
    random = drawing.random
    numbers = [drawing.service() for _ in range(max(size - 3, 4))]
    for place, callee in enumerate(numbers[1:], start=1):
        for caller in random.choice(
            numbers[:place], size=min(place, int(random.integers(1, 4))), replace=False
        ):
            drawing.graph.link(int(caller), callee, float(random.choice([1.0, 0.5, 0.3])))
    drawing.finish_leaves(outsiders=2)


def pipeline(drawing: Drawing, size: int) -> None:
    """Services leave messages; others work on them; people wait for the end."""
    graph, random = drawing.graph, drawing.random
    front = drawing.service()
    before = front
    stages = max(2, size // 4)
    for _ in range(stages):
        product = str(random.choice(["kafka", "rabbitmq"]))
        topic = graph.add(
            f"{drawing.names.word()}-{random.choice(['events', 'jobs', 'queue'])}",
            What.BROKER,
            product=product,
            namespace=drawing.space,
        )
        graph.link(before, topic, 1.0, waits=False)
        worker = drawing.service()
        graph.link(topic, worker, 1.0, waits=False)
        if random.random() < 0.7:
            drawing.store(worker)
        before = worker
    graph.asked = before
    drawing.finish_leaves()


def shared_database(drawing: Drawing, size: int) -> None:
    """Services that know nothing of each other share one store."""
    graph, random = drawing.graph, drawing.random
    front = drawing.service()
    users = [drawing.service() for _ in range(max(size - 3, 3))]
    for each in users:
        graph.link(front, each, float(random.choice([1.0, 0.4, 0.2])))
    store = drawing.store(users[0], cached=0.0)
    for each in users[1:]:
        graph.link(each, store, float(random.choice([1.0, 2.0])))
    drawing.outsider(int(random.choice(users)))


def hub(drawing: Drawing, size: int) -> None:
    """Several fronts lean on one service in the middle, which leans on many."""
    graph, random = drawing.graph, drawing.random
    fronts = [drawing.service() for _ in range(max(2, size // 4))]
    middle = drawing.service()
    for each in fronts:
        graph.link(each, middle, float(random.choice([1.0, 2.0])))
    for _ in range(max(2, size // 2 - 1)):
        here = drawing.service()
        graph.link(middle, here, float(random.choice([1.0, 0.5])))
    graph.entries = list(fronts)
    drawing.finish_leaves()


def two_clusters(drawing: Drawing, size: int) -> None:
    """A front in one cluster; what it needs is spread over two."""
    graph, random = drawing.graph, drawing.random
    graph.clusters = ("eu-1", "us-1")
    front = graph.add(drawing.names.service(), cluster="eu-1", namespace=drawing.space)
    middle = []
    for place in range(max(3, size // 2)):
        here = graph.add(
            drawing.names.service(), cluster=graph.clusters[place % 2], namespace=drawing.space
        )
        graph.link(front, here, float(random.choice([1.0, 0.5])))
        middle.append(here)
    far = graph.add(drawing.names.service(), cluster="us-1", namespace=drawing.space)
    for each in middle[:2]:
        graph.link(each, far, 1.0)
    drawing.store(far)
    drawing.finish_leaves()


def tree(drawing: Drawing, size: int) -> None:
    """Each asks two others, three storeys deep."""
    graph = drawing.graph
    numbers = [drawing.service() for _ in range(max(size - 3, 5))]
    for place in range(1, len(numbers)):
        calls = float(drawing.random.choice([1.0, 1.0, 0.5]))
        graph.link(numbers[(place - 1) // 2], numbers[place], calls)
    drawing.finish_leaves(outsiders=2)


Family = Callable[[Drawing, int], None]
OPEN: dict[str, Family] = {
    f.__name__: f for f in (chain, fan_out, diamond, mesh, pipeline, shared_database)
}
HELD_OUT: dict[str, Family] = {f.__name__: f for f in (hub, two_clusters, tree)}


def draw(family: Family, size: int, names: Names, random: Random) -> Graph:
    """Return a graph of a family; `size` counts its parts, about."""
    graph = Graph(family.__name__)
    space = str(random.choice(["apps", "shop", "core", "prod", "platform"]))
    family(Drawing(graph, random, names, space), size)
    graph.entries = graph.entries or [0]
    graph.asked = graph.asked or graph.entries[0]
    return graph
