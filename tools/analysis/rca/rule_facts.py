"""A team's rules as facts: a rule whose condition holds for a service names a start of it.

It is a template of a chain and is tested as any other start is; its weight decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tools.analysis.facts import Fact, Link, StartClass, service
from tools.analysis.metric_facts.own import OwnTrouble
from tools.analysis.rca.verdict_facts import TOLERANCE, log_ratio
from tools.analysis.symptoms import (
    Correlated,
    Rule,
    SeenEvent,
    SeenPattern,
    SeenVerdict,
    Symptoms,
)
from tools.world import ServiceName


@dataclass(frozen=True, slots=True)
class _Match:
    verdicts: tuple[SeenVerdict, ...]
    events: tuple[SeenEvent, ...]
    patterns: tuple[SeenPattern, ...]

    @property
    def evidence(self) -> list[str]:
        """Ids of what fulfils the rule."""
        told = [verdict.evidence for verdict in self.verdicts]
        told += [event.evidence for event in self.events]
        told += [pattern.evidence for pattern in self.patterns]
        return [each for each in dict.fromkeys(told) if each]


def rule_facts(symptoms: Symptoms, own: Mapping[str, OwnTrouble]) -> list[Fact]:
    """Return a start for every rule that holds for a service."""
    services = sorted({v.verdict.service for v in symptoms.verdicts if v.verdict.anomalous})
    found = []
    for rule in symptoms.rules:
        for name in services:
            match = _match(rule, name, symptoms)
            if match is not None:
                found.append(_fact(rule, name, match, own.get(name)))
    return found


def _fact(rule: Rule, name: ServiceName, match: _Match, own: OwnTrouble | None) -> Fact:
    verdict = match.verdicts[0].verdict
    # that somebody behind it does not answer says less than who
    seconded = bool(rule.correlated or match.events) and rule.kind != "dependency"
    return Fact(
        subject=service(name),
        predicate=f"rule-{rule.id}",
        role=Link.START,
        sentence=f"{name}: {rule.root_cause}",
        source="rules",
        writer=f"application {name}",
        start_class=StartClass.DRIVER if seconded else StartClass.UNEXPLAINED,
        log_ratio=log_ratio(verdict),
        since=min(each.verdict.started_at for each in match.verdicts),
        tolerance=TOLERANCE,
        evidence=(match.evidence or [""])[0],
        also=tuple(match.evidence[1:]),
        metric=verdict.metric,
        remedies=tuple(remedy.action for remedy in rule.remediation),
        unexplained=own.share if own is not None else None,
        explained_by=own.explained_by if own is not None else "",
        kind=rule.kind,
        rank=3 if rule.kind == "dependency" and match.patterns else 0,
    )


def _match(rule: Rule, name: ServiceName, symptoms: Symptoms) -> _Match | None:
    verdicts: list[SeenVerdict] = []
    for part in (Correlated(rule.primary_metric, rule.primary_threshold), *rule.correlated):
        hits = [
            seen
            for seen in symptoms.verdicts
            if seen.verdict.service == name
            and seen.is_of(part.metric)
            and seen.is_beyond(part.metric, part.threshold)
        ]
        if not hits:
            return None
        verdicts += hits
    events = [e for e in symptoms.events if e.service == name and e.event.reason in rule.events]
    lines = [p for p in symptoms.patterns if p.service == name and _says(p.sample, rule.logs)]
    if (rule.events and not events) or (rule.logs and not lines):
        return None
    return _Match(tuple(verdicts), tuple(events), tuple(lines))


def _says(sample: str, texts: Iterable[str]) -> bool:
    return any(text.lower() in sample.lower() for text in texts)
