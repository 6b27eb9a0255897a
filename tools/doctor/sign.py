"""What an analyser says: a sign of trouble in one object, and an analyser's own description."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tools.analysis.facts import Link
from tools.doctor.named import Object
from tools.doctor.state import ClusterState


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that is not as it should be."""

    subject: Object  # where the fault lies
    sentence: str  # what is wrong, in words of the object itself
    victims: tuple[Object, ...] = ()  # workloads that suffer from it, besides the subject
    since: datetime | None = None
    ended: datetime | None = None  # it is over; None: it is so now
    names: tuple[str, ...] = ()  # under which others look for what is wrong
    is_missed: bool = False  # its victims visibly lack what it keeps from them


@dataclass(frozen=True, slots=True)
class Analyser:
    """One kind of trouble and how it is recognised."""

    name: str  # stable: what tables, plans and tests call it
    role: Link
    remedies: tuple[str, ...]  # kinds of remedy, nearest first
    settle: str  # what would settle it when it is only suspected
    look: Callable[[ClusterState], Iterator[Sign]]
    rank: int = 0  # of two signs of one object the lower says why, the higher that
    felt_in_objects: bool = True  # a pod that is not ready shows it; else only callers' lines do


@dataclass(frozen=True, slots=True)
class Found:
    """A sign with the analyser that saw it."""

    by: Analyser
    sign: Sign

    @property
    def present(self) -> bool:
        """Whether it is so now."""
        return self.sign.ended is None

    @property
    def starts(self) -> bool:
        """Whether it may be a cause: it is so now and needs nothing before it."""
        return self.present and self.by.role is Link.START


__all__ = ["Analyser", "Found", "Link", "Sign"]
