"""Where trouble can get from a subject: along edges, in the direction each of them carries it."""

from __future__ import annotations

from collections.abc import Iterable

from tools.analysis.facts import Edge, FactSubject

MOST_HOPS = 5

Way = tuple[Edge, ...]


class Graph:
    """The edges of one snapshot; the same edges in another order give the same ways."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        """Index the edges by where trouble comes from."""
        self._known: dict[FactSubject, dict[FactSubject, Way]] = {}
        self._out: dict[FactSubject, list[tuple[FactSubject, Edge]]] = {}
        for edge in sorted(set(edges)):
            begin, end = edge.way
            if begin != end:
                self._out.setdefault(begin, []).append((end, edge))

    def ways(self, start: FactSubject) -> dict[FactSubject, Way]:
        """Return everybody that trouble of `start` can reach, by a shortest way; itself by none."""
        if start in self._known:
            return self._known[start]
        found: dict[FactSubject, Way] = {start: ()}
        front = [start]
        for _ in range(MOST_HOPS):
            following: list[FactSubject] = []
            for who in front:
                for end, edge in self._out.get(who, ()):
                    if end not in found:
                        found[end] = (*found[who], edge)
                        following.append(end)
            front = sorted(following)
        self._known[start] = found
        return found
