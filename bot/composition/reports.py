"""What is written for people over the parts: digests and postmortems."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bot.composition.parts import Parts
from bot.composition.slack import People
from bot.core.reports.breach_forecasts import BreachForecasts
from bot.core.reports.digests import DigestDesk
from bot.core.reports.postmortems import PostmortemDesk, PostmortemSources
from knowledge.documents import read_document


def digests_of(parts: Parts, people: People) -> DigestDesk:
    """Return what writes digests."""
    breaches = (
        BreachForecasts(parts.clock, parts.metrics, parts.workers, parts.live_files.catalogue)
        if parts.metrics is not None
        else None
    )
    return DigestDesk(
        parts.store,
        parts.clock,
        people.texts_of,
        parts.settings.redactor,
        changes=parts.changes,
        breaches=breaches,
    )


def postmortems_of(parts: Parts, people: People) -> PostmortemDesk:
    """Return what drafts, edits and publishes postmortems."""
    folder = parts.settings.files.export_dir

    async def index(path: Path) -> None:
        document = await asyncio.to_thread(read_document, path, path.relative_to(folder).as_posix())
        await parts.index_documents([document])

    return PostmortemDesk(
        store=parts.store,
        clock=parts.clock,
        sources=PostmortemSources(parts.changes, people.history, index),
        export_dir=folder,
        redactor=parts.settings.redactor,
        texts_of=people.texts_of,
    )
