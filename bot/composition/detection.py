"""What watches the world over the parts: the detection cycle and the learner of baselines."""

from __future__ import annotations

from dataclasses import replace

from bot.composition.parts import Parts
from bot.core.detection.cycle import DetectionCycle
from bot.core.detection.enrichment import Enricher, Sources
from bot.core.detection.findings import FindingDesk
from bot.core.detection.judging import Judging
from bot.core.detection.learning import Learner
from bot.core.detection.telling import Telling
from bot.core.remediation.assembly import Remediation
from bot.domain.finding import Finding
from bot.locale import Texts
from tools.analysis.state.detector import Classic


def learner_of(parts: Parts) -> Learner | None:
    """Return what learns baselines; None where no metrics store is configured."""
    if parts.metrics is None:
        return None
    return Learner(
        parts.store,
        parts.clock,
        parts.metrics,
        parts.workers,
        parts.live_files.catalogue,
        replace(parts.settings.learning, timezone=parts.settings.digest.timezone),
        parts.settings.redactor,
    )


def telling_of(parts: Parts, findings: FindingDesk, remediation: Remediation) -> Telling:
    """Return what brings findings in step with anomalies and alerts."""
    settings = parts.settings
    sources = Sources(
        parts.metrics,
        parts.workers,
        parts.logs,
        parts.cluster,
        parts.changes,
        parts.history,
        parts.charts,
    )

    async def on_cleared(finding: Finding) -> None:
        await remediation.deadlines.trigger_cleared(finding)

    return Telling(
        store=parts.store,
        clock=parts.clock,
        catalogue=parts.live_files.catalogue,
        enricher=Enricher(
            parts.clock,
            sources,
            parts.live_files.rules,
            Texts(settings.installation.locale),
            settings.digest.timezone,
            settings.redactor,
        ),
        desk=findings,
        on_cleared=on_cleared,
    )


def cycle_of(parts: Parts, telling: Telling) -> DetectionCycle | None:
    """Return the detection cycle; None where no metrics store is configured."""
    if parts.metrics is None:
        return None
    return DetectionCycle(
        store=parts.store,
        clock=parts.clock,
        metrics=parts.metrics,
        baselines=parts.baselines,
        judging=Judging(parts.workers, Classic(parts.detector)),
        catalogue=parts.live_files.catalogue,
        telling=telling,
        snapshots=parts.snapshots,
    )
