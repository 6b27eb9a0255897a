"""What the investigator computed, as the first lines of the model's brief.

Diagnosis ──> verdict, causes with what speaks for each, what is abnormal by its onset, gaps
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from bot.core.investigation.investigator.answer_text import confidence_word
from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.domain.answer import Conclusion
from bot.locale import Texts
from tools import tokens
from tools.world import Cause

MOST_TOKENS = 900
_ENGLISH = Texts("en")  # the prompts are
MOST_CAUSES, MOST_REASONS, MOST_ABNORMAL = 4, 4, 8
_VERDICTS = {
    Conclusion.CAUSE: "a cause is proved",
    Conclusion.SUSPECTS: "suspects, none of them proved",
    Conclusion.RECOVERED: "it was, and is no more",
    Conclusion.HEALTHY: "what was asked about is healthy",
    Conclusion.CANNOT_TELL: "it cannot be told from what was seen",
}


def computed(diagnosis: Diagnosis, readable: Collection[str]) -> str:
    """Return the computed part of a brief, at most `MOST_TOKENS`.

    `readable` are the ids of the evidence that the model may read whole. What rests on other
    evidence is left out, and with it a verdict that would tell of it.
    """
    causes = [each for each in diagnosis.causes if set(each.evidence) <= {*readable}]
    lines = [*_verdict(diagnosis, causes), *_abnormal(diagnosis, readable)]
    return tokens.fit("\n".join(lines), MOST_TOKENS)[0]


def _verdict(diagnosis: Diagnosis, causes: list[Cause]) -> Iterator[str]:
    if len(causes) == len(diagnosis.causes):
        yield f"Computed verdict: {_VERDICTS[diagnosis.verdict]}."
    for rank, cause in enumerate(causes[:MOST_CAUSES], start=1):
        proved = ", proved" if cause.proved else ""
        began = f", began {cause.at:%H:%M} UTC" if cause.at else ""
        cited = ", ".join(cause.evidence)
        yield (
            f"{rank}. {cause.cause} ({cause.service or 'no service'}; {cause.kind}; "
            f"confidence {confidence_word(cause.confidence, _ENGLISH)}{proved}{began}) [{cited}]"
        )
        yield from (f"   - {reason}" for reason in cause.reasons[:MOST_REASONS])


def _abnormal(diagnosis: Diagnosis, readable: Collection[str]) -> Iterator[str]:
    seen = [v for v in diagnosis.observed.abnormal if v.evidence in readable]
    if not seen:
        return
    yield "Abnormal, first onset first:"
    for each in sorted(seen, key=lambda v: v.verdict.started_at)[:MOST_ABNORMAL]:
        verdict = each.verdict
        since = f"{verdict.started_at:%H:%M} UTC"
        yield f"- {verdict.service} {verdict.metric} since {since} [{each.evidence}]"
