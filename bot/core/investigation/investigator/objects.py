"""What the investigator takes from examined objects: what may have begun it, what is not well.

Examined (state, signs) + whom error lines blame ──causes──> SeenObject, surest first
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tools.analysis.blame import Blame, blamed
from tools.analysis.symptoms import SeenObject, SeenPattern
from tools.doctor import Found, Link
from tools.doctor.causes import Felt, ObjectCause
from tools.observe.objects import Examined
from tools.world import ServiceName

# How surely an object's own word is the cause, by how it is felt. On recorded incidents of another
# platform the first cause was right in 209 of 211 when one was named (bench cloudops).
SURE = {Felt.IN_OBJECTS: 0.92, Felt.IN_LINES: 0.9, Felt.WANTED: 0.5}
ON_PURPOSE = frozenset({"node-cordoned"})  # it shows that somebody wants it so
Told = tuple[Examined, str]  # with the id of its evidence


def seen_objects(examined: Iterable[Told], patterns: Sequence[SeenPattern]) -> list[SeenObject]:
    """Return what objects say may have begun it: what is felt."""
    lines: Counter[Blame] = Counter()
    for pattern in patterns:
        if (blame := blamed(pattern.sample)) is not None:
            lines[blame] += pattern.count
    return [
        _seen(cause, one, evidence)
        for one, evidence in examined
        for cause in one.causes(lines)
        if cause.is_cause
    ]


def unwell_objects(
    examined: Iterable[Told], asked: Sequence[ServiceName]
) -> list[tuple[Found, str]]:
    """Return the symptoms that objects show now, of the services asked about or of all."""
    return [
        (found, evidence)
        for one, evidence in examined
        for found in one.found
        if found.present
        and found.by.role is Link.SHOW
        and found.by.name not in ON_PURPOSE
        and (not asked or one.service(found.sign.subject) in asked)
    ]


def _seen(cause: ObjectCause, one: Examined, evidence: str) -> SeenObject:
    sign, by = cause.found.sign, cause.found.by
    hit = dict.fromkeys(one.service(each) for each in (sign.subject, *sign.victims))
    return SeenObject(
        kind=by.name,
        sentence=sign.sentence,
        services=tuple(name for name in hit if name),
        weight=SURE[cause.felt],
        since=sign.since,
        remediation=by.remedies,
        evidence=evidence,
    )
