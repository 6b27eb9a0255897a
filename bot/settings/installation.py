"""The installation itself: its name and language, and where its files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.core.ports import FileLayout, Installation
from bot.settings.arguments import configured, converted
from bot.settings.document import ConfigDocument


def installation_of(document: ConfigDocument) -> Installation:
    """Return name, version, environment and language."""
    section = document.app
    return Installation(
        **configured(
            name=section.name,
            version=section.version,
            environment=section.environment,
            platform=section.platform or None,
            locale=section.locale,
        )
    )


def file_layout(document: ConfigDocument, config: Path, found: Mapping[str, str]) -> FileLayout:
    """Return where files are; `config` is where the document was read."""
    section = document.paths
    return FileLayout(
        config=config,
        **configured(
            metrics=converted(Path, section.metrics),
            services=converted(Path, section.services),
            rca_rules=converted(Path, section.rca_rules),
            playbooks=converted(_paths, section.playbooks),
            knowledge=converted(_paths, section.knowledge),
            words=converted(Path, section.words or None),
            tools=converted(_paths, section.tools),
            actions=converted(_paths, section.actions),
            export_dir=converted(Path, document.knowledge.export_dir or None),
            database_url=found.get("DATABASE_URL") or None,
            knowledge_uri=found.get("KNOWLEDGE_URI") or None,
        ),
    )


def _paths(names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(name) for name in names)
