"""From what the investigator observed to causes: facts of every tool, in one snapshot.

Observed ──symptoms_of──> Symptoms ──explain──> Explained (causes, who did not do it, gaps)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.core.investigation.investigator.diagnosis import Observed
from bot.core.investigation.investigator.intent import Intent
from bot.core.investigation.investigator.objects import addresses_of, facts_of_objects
from tools.analysis.facts import Gap, service
from tools.analysis.metric_facts.place import place_facts
from tools.analysis.rca.chains import Concern
from tools.analysis.rca.explain import Explained, explain
from tools.analysis.symptoms import Rule, SeenAlert, SeenVerdict, Symptoms
from tools.world import Catalogue, ServiceName, Verdict


def reason(
    intent: Intent,
    observed: Observed,
    catalogue: Catalogue,
    rules: Sequence[Rule],
    gaps: Mapping[str, str],
) -> Explained:
    """Return what was made of it; `gaps` maps what could not be looked at to why."""
    symptoms = symptoms_of(intent, observed, catalogue, rules, gaps)
    aliases = {alias: s.name for s in catalogue.services.values() for alias in s.aliases}
    aliases |= {ref.name: s.name for s in catalogue.services.values() for ref in s.workloads}
    aliases |= addresses_of(observed.examined, catalogue)
    return explain(
        symptoms, asked_of(intent, observed), intent.window.end, aliases=aliases,
        complete=not gaps,
    )  # fmt: skip


def asked_of(intent: Intent, observed: Observed) -> Concern:
    """Return whom and what a question is about; of a metric alone, whose it is unusual."""
    names = list(intent.services)
    if not names and intent.metrics:
        about = [v for v in [*observed.verdicts, *observed.peaks] if is_asked(v.verdict, intent)]
        unusual = [v for v in about if v.verdict.anomalous]
        names = [v.verdict.service for v in unusual or about]
        told = [f.subject.name for f in observed.facts if f.present and f.metric in intent.metrics]
        names += [ServiceName(name) for name in told]
    return Concern(tuple(service(name) for name in dict.fromkeys(names) if name), intent.metrics)


def symptoms_of(
    intent: Intent,
    observed: Observed,
    catalogue: Catalogue,
    rules: Sequence[Rule],
    gaps: Mapping[str, str],
) -> Symptoms:
    """Return everything that was observed as what explains it."""
    facts, edges = facts_of_objects(observed.examined, observed.patterns, catalogue)
    facts += [
        # of a past window: it was so in it, whether or not it is so now
        replace(each, until=None) if intent.explicit_window else each
        for each in observed.facts
    ]
    placed: dict[str, set[str]] = {}
    for one, _ in observed.examined:
        for who, nodes in one.placed().items():
            placed.setdefault(who, set()).update(nodes)
    facts += place_facts(observed.facts, observed.measured, placed)
    return Symptoms(
        verdicts=[*observed.verdicts, *_peaks(intent, observed, catalogue)],
        changes=observed.changes,
        events=observed.events if not observed.examined else (),  # objects say more of now
        patterns=observed.patterns,
        dependencies=catalogue.topology(),
        rules=rules,
        traces=observed.traces,
        alerts=[SeenAlert(alert, evidence) for alert, evidence in observed.alerts],
        facts=facts,
        edges=[*edges, *observed.edges],
        gaps=[*observed.gaps, *(Gap(name, "", why) for name, why in sorted(gaps.items()))],
        measured=observed.measured,
    )


def is_asked(verdict: Verdict, intent: Intent) -> bool:
    """Say whether a verdict is about what was asked."""
    return verdict.metric in intent.metrics or (
        not intent.metrics and verdict.service in intent.services
    )


def _peaks(intent: Intent, observed: Observed, catalogue: Catalogue) -> list[SeenVerdict]:
    """Return the peaks that may explain what was asked: its own and those it depends on.

    In a long past window something somewhere was always unusual; without this a question about
    a healthy metric would blame whatever else happened that day.
    """
    if not intent.metrics and not intent.services:
        return observed.peaks
    waiting = [p.verdict.service for p in observed.peaks if is_asked(p.verdict, intent)]
    reach = set[ServiceName]()
    while waiting:
        name = waiting.pop()
        if name not in reach:
            reach.add(name)
            waiting += catalogue.dependencies(name)
    return [p for p in observed.peaks if p.verdict.service in reach]
