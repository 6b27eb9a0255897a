"""Candidate root causes of what is abnormal, ranked, each with the evidence that speaks for it.

    anomalous verdicts --per service--> own strength (what abnormal callees do not explain)
    changes before onset, bad events and objects, log bursts, rules --> clues for (service, kind)
    clues of one candidate --noisy or--> confidence --> list[Cause], best first

A *clue* is one weight in (0, 1) with a reason and the evidence id the caller gave. Nothing abnormal
means no cause: the list is empty, however many changes there were. Texts of logs and events are
data here: they are matched, never followed.
"""

from __future__ import annotations

from tools.analysis.candidates import Candidates, scene_of
from tools.analysis.clues import (
    from_changes,
    from_events,
    from_objects,
    from_patterns,
    from_rules,
    from_traces,
    from_verdicts,
    is_fatal,
)
from tools.analysis.symptoms import Symptoms
from tools.world import Cause

MIN_CONFIDENCE = 0.05


def rank_causes(symptoms: Symptoms, *, limit: int = 5) -> list[Cause]:
    """Return causes, most likely first; empty when no verdict, event or object is bad."""
    scene = scene_of(symptoms)
    critical = [e for e in symptoms.events if is_fatal(e)]
    if not scene.abnormal and not critical and not symptoms.objects:
        return []
    candidates: Candidates = {}
    from_changes(scene, candidates)
    from_events(scene, candidates)
    from_objects(scene, candidates)
    from_rules(scene, candidates)
    from_patterns(scene, candidates)
    from_traces(scene, candidates)
    from_verdicts(scene, candidates)
    causes = [candidate.frozen() for candidate in candidates.values()]
    kept = [cause for cause in causes if cause.confidence >= MIN_CONFIDENCE]
    return sorted(kept, key=lambda c: (-c.confidence, c.service, c.kind, c.cause))[:limit]
