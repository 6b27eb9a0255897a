"""The investigator's words: a diagnosis becomes an answer that leads with the conclusion.

Pure: every figure comes from a typed result whose evidence id stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.investigator.intent import Kind
from bot.core.shared.wording import clock, gap_text, limit_text, window_text
from bot.locale import Texts
from tools.analysis.forecast import find_breach
from tools.analysis.rca.confidence import HIGH
from tools.analysis.scan import AnomalousSpan
from tools.analysis.symptoms import SeenVerdict
from tools.units import format_value
from tools.world import Catalogue, FiringAlert, Forecast, SimilarCase

MOST_LINES = 4  # of one sort
MOST_STEPS, MOST_REMEDIES, MOST_OTHERS, MOST_ACQUITTED = 7, 3, 4, 2
LONGEST_STEP = 260
MEDIUM = 0.45  # from which on a confidence is called so


def compose(
    diagnosis: Diagnosis, catalogue: Catalogue, texts: Texts, gaps: Mapping[str, str]
) -> tuple[str, str]:
    """Return (Markdown, conclusion): conclusion first, evidence cited, gaps named."""
    lead = _lead(diagnosis, texts)
    lines = [lead, *_bullets(diagnosis, catalogue, texts)]
    # a line of its own, else each of these would be taken for more of the last point
    if gaps:
        told = "; ".join(f"{name}: {why}" for name, why in sorted(gaps.items()))
        lines += ["", texts.say("answer.gap", gaps=told)]
    if basis := _basis(diagnosis, texts):
        lines += ["", *basis]
    lines.append("")
    lines.append(texts.say("answer.confidence", word=confidence_word(diagnosis.confidence, texts)))
    return "\n".join(lines), plain(lead)


def confidence_word(confidence: float, texts: Texts) -> str:
    """Return high, medium or low."""
    if confidence >= HIGH:
        return texts.say("answer.confidence_high")
    return texts.say(
        "answer.confidence_medium" if confidence >= MEDIUM else "answer.confidence_low"
    )


def plain(markdown: str) -> str:
    """Return a line without its bold marks."""
    return markdown.replace("**", "").strip()


def _lead(diagnosis: Diagnosis, texts: Texts) -> str:
    intent, seen = diagnosis.intent, diagnosis.observed
    window = window_text(intent.window)
    subject = ", ".join((*intent.metrics, *intent.services)) or texts.say("answer.healthy_platform")
    if intent.kind is Kind.CHANGES:
        if not seen.changes:
            return texts.say("answer.changes_none", window=window, evidence="–")
        first = seen.changes[0].evidence
        return texts.say(
            "answer.changes_lead", count=len(seen.changes), window=window, evidence=first
        )
    if intent.strangers:
        return texts.say("answer.stranger", subject=", ".join(intent.strangers))
    if diagnosis.asked_is_normal:
        return texts.say(
            "answer.asked_normal", subject=subject, window=window, evidence=seen.judged_by
        )
    if _leads_with_span(diagnosis):
        return texts.say("answer.span_lead", **_span_fields(*_worst_span(diagnosis)))
    if diagnosis.causes:
        return _because(diagnosis, texts)
    if diagnosis.troubling:
        worst = diagnosis.troubling[0].verdict
        return texts.say("answer.no_cause", metric=worst.metric, service=worst.service)
    return _nothing_abnormal(diagnosis, subject, texts)


def _nothing_abnormal(diagnosis: Diagnosis, subject: str, texts: Texts) -> str:
    """Return the lead when nothing abnormal was seen: unknown, healthy, or not judged at all."""
    intent, seen = diagnosis.intent, diagnosis.observed
    window = window_text(intent.window)
    if seen.unknown and not intent.metrics:
        asked = ", ".join(intent.unknown)
        why = "; ".join(f"{_sentence(text)} [{evidence}]" for text, evidence in seen.unknown)
        return texts.say("answer.unknown", subject=asked, why=why)
    if diagnosis.alarming:
        alert, evidence = diagnosis.alarming[0]
        return texts.say(
            "answer.alert_lead",
            alert=alert.name,
            service=alert.service,
            words=_words(alert),
            since=clock(alert.since, intent.window.end),
            evidence=evidence,
        )
    if diagnosis.new_errors:
        pattern = diagnosis.new_errors[0]
        return texts.say(
            "answer.errors_lead",
            service=pattern.service,
            sample=_quoted(pattern.sample),
            count=pattern.count,
            evidence=pattern.evidence,
        )
    if diagnosis.unwell:
        found, evidence = diagnosis.unwell[0]
        return texts.say("answer.object_lead", what=_quoted(found.sign.sentence), evidence=evidence)
    if diagnosis.over:
        past = diagnosis.over[0]
        return texts.say(
            "answer.recovered",
            what=_flat(past.sentence),
            until=clock(past.until, intent.window.end) if past.until else "–",
            subject=subject,
            evidence=past.evidence or "–",
        )
    if diagnosis.asked_was_judged:
        return texts.say(
            "answer.healthy",
            subject=subject,
            window=window,
            checked=seen.checked,
            evidence=seen.judged_by,
        )
    why = texts.say("answer.unknown_nothing_checked", window=window)
    if seen.unjudged:
        why = texts.say("answer.unknown_too_young", evidence=seen.judged_by)
    return texts.say("answer.unknown", subject=subject, why=why)


def _basis(diagnosis: Diagnosis, texts: Texts) -> list[str]:
    """Return what the answer had to go on: how many series, and by what they were judged."""
    seen = diagnosis.observed
    if not seen.checked and not seen.unjudged:
        return []
    parts = {
        "answer.basis_learned": seen.checked - seen.by_limit,
        "answer.basis_limit": seen.by_limit,
        "answer.basis_unjudged": seen.unjudged,
    }
    told = ", ".join(texts.say(key, count=count) for key, count in parts.items() if count > 0)
    return [texts.say("answer.basis", parts=told, evidence=seen.judged_by)]


def _because(diagnosis: Diagnosis, texts: Texts) -> str:
    """Return the first cause with the symptom it explains; a suspect is called one."""
    best = diagnosis.causes[0]
    now = diagnosis.intent.window.end
    fields = {
        "cause": _flat(best.cause),
        "evidence": ", ".join(best.evidence[:2]) or "–",
        "since": clock(best.at, now) if best.at else texts.say("answer.since_unknown"),
    }
    sort = "cause" if best.proved else "suspect"
    symptom = best.path[-1] if best.path else None
    if symptom is None or _flat(symptom.sentence) in fields["cause"]:
        return texts.say(f"answer.{sort}_alone", **fields)
    return texts.say(
        f"answer.{sort}",
        **fields,
        symptom=_flat(symptom.sentence),
        felt=clock(symptom.at, now) if symptom.at else texts.say("answer.since_unknown"),
        seen=", ".join(symptom.evidence) or "–",
    )


def _steps(diagnosis: Diagnosis, texts: Texts) -> list[str]:
    """Return how the first cause led to what was felt, step by step with its tests."""
    if not diagnosis.causes or _leads_with_span(diagnosis):
        return []
    best, now = diagnosis.causes[0], diagnosis.intent.window.end
    lines = []
    for step in best.path[:MOST_STEPS]:
        tests = [
            texts.say(f"answer.test_{each.result}", test=texts.say(f"answer.test.{each.name}"))
            for each in step.tests
        ]
        lines.append(
            texts.say(
                "answer.step",
                when=clock(step.at, now) if step.at else "–",
                sentence=_quoted(step.sentence, LONGEST_STEP),
                tests=", ".join(tests) or "–",
                evidence=", ".join(step.evidence) or "–",
            )
        )
    named = [
        each
        for step in best.path
        for each in step.tests
        if each.name == "mechanism" and each.result == "passed"
    ]
    lines += [
        texts.say(
            "answer.named", what=_quoted(each.sentence, LONGEST_STEP),
            evidence=", ".join(each.evidence) or "–",
        )
        for each in named[:1]
    ]  # fmt: skip
    if best.remediation:
        told = [_remedy(each, texts) for each in best.remediation[:MOST_REMEDIES]]
        lines.append(texts.say("answer.to_do", remedies="; ".join(dict.fromkeys(told))))
    if not best.proved and best.settle:
        lines.append(texts.say("answer.settle", settle=_quoted(best.settle)))
    return lines


def _remedy(name: str, texts: Texts) -> str:
    key = f"answer.remedy.{name}"
    known = frozenset(texts.keys())
    return texts.say(key) if key in known else name.replace("_", " ")


def _others(diagnosis: Diagnosis, texts: Texts) -> list[str]:
    """Return further causes and suspects, and the changes that did not do it."""
    lines = []
    for each in diagnosis.causes[1:MOST_OTHERS]:
        key = "answer.also_cause" if each.proved else "answer.also"
        lines.append(
            texts.say(
                key if each.settle or each.proved else "answer.also_plain",
                cause=_quoted(each.cause, LONGEST_STEP),
                confidence=confidence_word(each.confidence, texts),
                settle=_quoted(each.settle) or "–",
                evidence=", ".join(each.evidence[:2]) or "–",
            )
        )
    if diagnosis.intent.kind is not Kind.CHANGES and (diagnosis.causes or not diagnosis.healthy):
        lines += [
            texts.say(
                "answer.not_it",
                what=_quoted(each.fact.sentence),
                why=_quoted(each.why),
                evidence=each.fact.evidence or "–",
            )
            for each in diagnosis.acquitted[:MOST_ACQUITTED]
        ]
    return lines


def _flat(text: str) -> str:
    """Return a sentence on one line without its final dot and without marks."""
    return _quoted(text.rstrip("."), LONGEST_STEP)


def _leads_with_span(diagnosis: Diagnosis) -> bool:
    """Whether a stretch of the past says more than the best cause: it names time and figure."""
    seen, causes = diagnosis.observed, diagnosis.causes
    if not seen.spans or seen.abnormal or diagnosis.asked_is_normal:
        return False
    return not causes or causes[0].kind == "unknown"


def _worst_span(diagnosis: Diagnosis) -> tuple[AnomalousSpan, str]:
    """Return the span to lead with: of an asked metric if there is one, the most unusual."""
    asked = [s for s in diagnosis.observed.spans if s[0].metric in diagnosis.intent.metrics]
    return max(asked or diagnosis.observed.spans, key=lambda s: s[0].score)


def _bullets(diagnosis: Diagnosis, catalogue: Catalogue, texts: Texts) -> list[str]:
    seen, now = diagnosis.observed, diagnosis.intent.window.end
    lines = _steps(diagnosis, texts)
    lines += [_seen(v, texts, now) for v in _untold(diagnosis)[:MOST_LINES]]
    lines += _alerts(diagnosis, texts, now)
    led = _worst_span(diagnosis) if _leads_with_span(diagnosis) else None
    ranked = sorted(seen.spans, key=lambda s: -s[0].score)
    lines += [
        texts.say("answer.span", **_span_fields(*span))
        for span in ranked[:MOST_LINES]
        if span != led
    ]
    if not seen.abnormal:  # an abnormal metric was told with its deviation already
        lines += [
            texts.say("answer.metric", summary=_measured(summary), evidence=evidence)
            for summary, evidence in seen.summaries[:MOST_LINES]
        ]
    lines += _changes(diagnosis, texts, now)
    cited = {e for cause in diagnosis.causes for e in cause.evidence}
    for pattern in [p for p in seen.patterns if p.evidence in cited][:1]:
        lines.append(
            texts.say(
                "answer.log",
                service=pattern.service,
                sample=_quoted(pattern.sample),
                count=pattern.count,
                evidence=pattern.evidence,
            )
        )
    for event in [e for e in seen.events if e.event.type == "Warning" and e.evidence in cited][:2]:
        lines.append(
            texts.say(
                "answer.event",
                when=clock(event.event.at, now),
                reason=event.event.reason,
                workload=event.event.workload.name,
                message=_quoted(event.event.message),
                evidence=event.evidence,
            )
        )
    lines += _forecasts(diagnosis, catalogue, texts, now)
    lines += _others(diagnosis, texts)
    if not diagnosis.healthy or diagnosis.intent.kind is Kind.SIMILAR:
        fit = [(c, e) for c, e in seen.cases if _fits(c, diagnosis)]
        lines += [texts.say("answer.case", title=c.title, evidence=e) for c, e in fit[:1]]
    return lines


def _untold(diagnosis: Diagnosis) -> list[SeenVerdict]:
    """Return the abnormal metrics that no step has told; of the services asked about first."""
    told = " ".join(step.sentence for cause in diagnosis.causes[:1] for step in cause.path)
    asked = diagnosis.intent.services
    found = [
        v for v in diagnosis.relevant if f"{v.verdict.metric} of {v.verdict.service}" not in told
    ]
    return sorted(found, key=lambda v: v.verdict.service not in asked)


def _fits(case: SimilarCase, diagnosis: Diagnosis) -> bool:
    """Say whether a past case is about what is told now; a question for cases takes any."""
    if diagnosis.intent.kind is Kind.SIMILAR:
        return True
    about = {*diagnosis.intent.services, *(c.service for c in diagnosis.causes[:1])}
    about |= {v.verdict.service for v in diagnosis.observed.abnormal[:1]}
    words = f"{case.title} {case.snippet}".lower()
    return any(name in case.services or name.lower() in words for name in about if name)


def _alerts(diagnosis: Diagnosis, texts: Texts, now: datetime) -> list[str]:
    """Return the grave alerts, but for one that leads the answer."""
    seen = diagnosis.observed
    leads = not seen.abnormal and not seen.spans and not diagnosis.causes
    told = diagnosis.alarming[1:] if leads else diagnosis.alarming
    return [
        texts.say(
            "answer.alert",
            alert=alert.name,
            service=alert.service,
            words=_words(alert),
            since=clock(alert.since, now),
            evidence=evidence,
        )
        for alert, evidence in told[:MOST_LINES]
    ]


def _words(alert: FiringAlert) -> str:
    return _quoted(alert.summary) if alert.summary else "–"


def _changes(diagnosis: Diagnosis, texts: Texts, now: datetime) -> Sequence[str]:
    seen = diagnosis.observed
    cited = {e for cause in diagnosis.causes[:1] for e in cause.evidence}
    suspects = {c.service for c in diagnosis.causes[:1]}
    if diagnosis.intent.kind is Kind.CHANGES:
        told = seen.changes[:10]
    else:
        told = [c for c in seen.changes if c.evidence in cited and c.change.service in suspects][:2]
    return [
        texts.say(
            "answer.change",
            when=clock(c.change.at, now),
            summary=c.change.summary,
            evidence=c.evidence,
        )
        for c in told
    ]


def _forecasts(
    diagnosis: Diagnosis, catalogue: Catalogue, texts: Texts, now: datetime
) -> list[str]:
    told = [
        _forecast(predicted, evidence, diagnosis, catalogue, texts, now)
        for predicted, evidence in diagnosis.observed.forecasts[:MOST_LINES]
    ]
    return [line for line in told if line]


def _forecast(
    predicted: Forecast,
    evidence: str,
    diagnosis: Diagnosis,
    catalogue: Catalogue,
    texts: Texts,
    now: datetime,
) -> str:
    spec = catalogue.metrics.get(predicted.metric)
    service = catalogue.whose(predicted.metric, predicted.labels)
    low, high = float(predicted.values.min()), float(predicted.values.max())
    fields = {
        "metric": predicted.metric,
        "service": service,
        "evidence": evidence,
        "hours": round((predicted.times[-1] - predicted.times[0]) / 3600),
        "low": format_value(low, predicted.unit),
        "high": format_value(high, predicted.unit),
    }
    if _is_crossed(predicted, service, diagnosis):
        return ""  # what is crossed already needs no forecast
    # A forecast continues the habit of the history; of a metric that has just left it,
    # "stays well" would soothe wrongly. A breach to come is told all the same.
    soothes = not any(
        (v.verdict.metric, v.verdict.service) == (predicted.metric, service)
        for v in diagnosis.observed.abnormal
    )
    if spec is None or spec.threshold is None:
        return texts.say("answer.forecast_plain", **fields) if soothes else ""
    fields["threshold"] = format_value(spec.threshold, spec.unit)
    series = next(
        (
            s
            for s in diagnosis.observed.series
            if (s.metric, s.labels) == (predicted.metric, predicted.labels)
        ),
        None,
    )
    breach = (
        predicted.will_breach(spec.threshold, spec.bad_direction)
        if series is None
        else find_breach(predicted, series, spec.threshold, spec.bad_direction)
    )
    if breach is None:
        return texts.say("answer.forecast_safe", **fields) if soothes else ""
    return texts.say("answer.forecast_breach", at=clock(breach.at, now), **fields)


def _is_crossed(predicted: Forecast, service: str, diagnosis: Diagnosis) -> bool:
    return any(
        (v.verdict.metric, v.verdict.service) == (predicted.metric, service)
        and (v.verdict.limit is not None or (v.spec and v.spec.is_beyond(v.verdict.observed)))
        for v in diagnosis.observed.abnormal
    )


def _seen(seen: SeenVerdict, texts: Texts, now: datetime) -> str:
    verdict = seen.verdict
    return texts.say(
        "answer.seen" if verdict.limit is None else "answer.seen_beyond",
        metric=verdict.metric,
        service=verdict.service,
        observed=format_value(verdict.observed, verdict.unit),
        expected=format_value(verdict.expected, verdict.unit),
        sigma=f"{verdict.deviation_sigma:+.1f}",
        limit=limit_text(verdict),
        since=clock(verdict.started_at, now),
        missing=gap_text(texts, verdict),
        evidence=seen.evidence,
    )


def _span_fields(span: AnomalousSpan, evidence: str) -> dict[str, str]:
    labels = ", ".join(f"{k}={v}" for k, v in span.labels)
    return {
        "metric": span.metric,
        "labels": f" ({labels})" if labels else "",
        "observed": format_value(span.observed, span.unit),
        "expected": format_value(span.expected, span.unit),
        "sigma": f"{span.deviation_sigma:+.1f}",
        "peak": clock(span.peak),
        "start": clock(span.start),
        "end": clock(span.end),
        "evidence": evidence,
    }


def _measured(summary: str) -> str:
    """Return a metric's name and the figures of its first series, the worst one."""
    head, _, rest = summary.strip().partition("\n")
    return f"{head.partition(' (')[0]}, {rest.partition(chr(10))[0].removeprefix('- ')}"


def _sentence(text: str) -> str:
    return text.strip().rstrip(".")


def _quoted(text: str, length: int = 140) -> str:
    """Return foreign text on one line, cut, without marks that would break out of its quotes."""
    flat = " ".join(text.replace("`", "'").replace("<*>", "…").split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"
