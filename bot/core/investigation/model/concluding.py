"""What a model's causes come to beside the ranking that the investigator computed.

    noted causes + Diagnosis ──> Concluded: causes best first, the verdict, what was overruled

The computed ranking is the same for the same evidence; a model narrates it. It may put another
cause first only by a fact that it cites, and the answer says so then. What it names without one
comes after what was computed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.domain.answer import Conclusion
from tools.world import Cause


@dataclass(frozen=True, slots=True)
class Concluded:
    """Causes best first and the verdict; `note` is the key of a sentence for the reader, or ""."""

    causes: tuple[Cause, ...]
    verdict: Conclusion
    note: str = ""
    computed: Cause | None = None  # the first cause computed, where the note speaks of it


def concluded(
    noted: tuple[Cause, ...] | None, diagnosis: Diagnosis, evidence: Collection[str]
) -> Concluded:
    """Return what an answer concludes; `noted` is None when the model noted nothing.

    `evidence` are the ids of the thread so far.
    """
    ours = diagnosis.causes
    if noted is None:
        return Concluded(ours, diagnosis.verdict)
    if not noted:
        if not ours:
            return Concluded((), diagnosis.verdict)
        return Concluded((), Conclusion.HEALTHY, "answer.overruled", ours[0])
    if not ours:
        return Concluded(noted, Conclusion.SUSPECTS)
    known = [_traced(cause, evidence) for cause in noted]
    first = known[0]
    same = next((each for each in ours if _is_same(first, each)), None)
    if same is ours[0]:
        verdict = Conclusion.CAUSE if same.proved else Conclusion.SUSPECTS
        return Concluded((_joined(first, same), *known[1:]), verdict)
    if set(first.evidence) - set(ours[0].evidence):
        causes = (first if same is None else _joined(first, same), *known[1:])
        return Concluded(causes, Conclusion.SUSPECTS, "answer.overruled", ours[0])
    rest = tuple(each for each in known if not any(_is_same(each, own) for own in ours))
    return Concluded((*ours, *rest), diagnosis.verdict, "answer.not_overruled", ours[0])


def _traced(cause: Cause, evidence: Collection[str]) -> Cause:
    """Return a cause with the evidence of it that exists."""
    return replace(cause, evidence=tuple(each for each in cause.evidence if each in evidence))


def _is_same(noted: Cause, computed: Cause) -> bool:
    """Say whether two causes are one: the same service by the same fact."""
    shared = set(noted.evidence) & set(computed.evidence)
    return noted.service == computed.service and bool(shared)


def _joined(noted: Cause, computed: Cause) -> Cause:
    """Return a computed cause in the model's words."""
    both = dict.fromkeys((*noted.evidence, *computed.evidence))
    return replace(computed, cause=noted.cause, confidence=noted.confidence, evidence=tuple(both))
