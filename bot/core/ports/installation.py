"""What an installation is: its name, its language, its files. No single room owns these.

The defaults of the settings that belong to nobody's policy stand here, once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.locale import DEFAULT_LANGUAGE

VERSION = "0.1.0"  # as pyproject.toml says


class Environment(StrEnum):
    """What depends on it: `production` refuses what a trial may do."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation of the bot."""

    name: str = "sre-agent"
    version: str = VERSION  # told by /health and the metrics
    environment: Environment = Environment.DEVELOPMENT
    platform: str = "a platform of services"  # what it looks after, as the model is told
    locale: str = DEFAULT_LANGUAGE  # the language of what is not told in a channel of its own

    @property
    def production(self) -> bool:
        """Whether this is production, where more is refused."""
        return self.environment is Environment.PRODUCTION


@dataclass(frozen=True, slots=True)
class FileLayout:
    """Where an installation's files are, relative to where the bot is started."""

    config: Path = Path("config/config.yaml")
    metrics: Path = Path("config/metrics.yaml")
    services: Path = Path("config/services.yaml")
    rca_rules: Path = Path("config/rca_rules.yaml")
    playbooks: tuple[Path, ...] = (Path("playbooks/library"),)
    knowledge: tuple[Path, ...] = (Path("knowledge"),)  # folders that fill an empty index
    words: Path | None = None  # what people call things in questions; None: nothing special
    tools: tuple[Path, ...] = ()  # folders of modules with tools of your own
    actions: tuple[Path, ...] = ()  # folders of modules with actions of your own
    export_dir: Path = Path("knowledge")  # published postmortems are written below it
    database_url: str = field(default="sqlite+aiosqlite:///var/sre-agent.db", repr=False)
    knowledge_uri: str = "var/knowledge"  # what is searched: a folder, or a bucket's address
    halt_file: Path = Path("var/halt")  # the kill switch: while it exists no step begins
    audit_key: Path = Path("var/audit.key")  # generated there once where no key is given
