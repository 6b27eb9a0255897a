"""How much of what was judged is missing, said beside the judgement."""

from __future__ import annotations

from bot.locale import Texts
from tools.analysis.normalise import TELL_MISSING_RATIO
from tools.world import Verdict


def gap_text(texts: Texts, verdict: Verdict) -> str:
    """Return "; 12 % of the window is missing", or nothing when nearly all of it is there."""
    if verdict.missing_ratio < TELL_MISSING_RATIO:
        return ""
    return texts.say("finding.missing", percent=f"{verdict.missing_ratio * 100:.0f}")
