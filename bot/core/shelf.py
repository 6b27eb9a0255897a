"""What people wrote and may change while the bot runs: catalogue, rules, playbooks, own tools.

    files ──load──> Shelf.current ──reload──> the new one, or the old one and the reason

A bad file keeps the good one serving. A change is a setting change: audited, and effective for
new plans only, because a plan carries the hash of the playbook it was made from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from bot.core.ports import Clock, Store
from bot.domain.audit import Event
from playbooks.loader import Library
from tools import catalog
from tools.analysis.rca import Rule
from tools.contract import Tool
from tools.errors import ToolError
from tools.world import Catalogue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shelved:
    """One consistent reading of all files."""

    catalogue: Catalogue
    rules: tuple[Rule, ...]
    library: Library
    tools: tuple[Tool, ...] = field(default=catalog.ALL)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload ended, in one sentence for the person who asked."""

    ok: bool
    message: str


class Shelf:
    """Holds the current reading."""

    def __init__(self, read: Callable[[], Shelved]) -> None:
        """Read once; an error here is the start-up's error."""
        self._read = read
        self._current = read()

    def catalogue(self) -> Catalogue:
        """Return the metrics and services."""
        return self._current.catalogue

    def rules(self) -> tuple[Rule, ...]:
        """Return the root-cause rules."""
        return self._current.rules

    def library(self) -> Library:
        """Return the playbooks."""
        return self._current.library

    def tools(self) -> tuple[Tool, ...]:
        """Return the shipped tools and a team's own."""
        return self._current.tools

    async def reload(self, actor: str, store: Store, clock: Clock) -> Reloaded:
        """Read everything again; keep the old reading when anything is wrong."""
        before = self._current
        try:
            after = self._read()
        except (ValueError, ToolError) as error:  # a catalogue's complaint is a ToolError
            log.warning("shelf.reload_refused", why=str(error))
            return Reloaded(False, f"{error}. The files read before stay in force.")
        self._current = after
        facts = _difference(before, after)
        async with store.begin() as tx:
            await tx.audit.append(
                Event("setting.changed", clock.now(), actor, "files", facts=facts)
            )
        counts = (
            f"{len(after.catalogue.metrics)} metrics, {len(after.catalogue.services)} services, "
            f"{len(after.rules)} rules, {len(after.library)} playbooks, {len(after.tools)} tools"
        )
        changed = ", ".join(facts["playbooks_changed"]) or "none"
        return Reloaded(True, f"Read again: {counts}; changed playbooks: {changed}.")


def _difference(before: Shelved, after: Shelved) -> dict[str, list[str]]:
    """Return what a reload changed, by name."""
    old = {k: v.sha256 for k, v in before.library.items()}
    new = {k: v.sha256 for k, v in after.library.items()}
    metrics = before.catalogue.metrics.keys() ^ after.catalogue.metrics.keys()
    services = before.catalogue.services.keys() ^ after.catalogue.services.keys()
    tools = {each.name for each in before.tools} ^ {each.name for each in after.tools}
    return {
        "playbooks_changed": sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k)),
        "metrics_changed": sorted(metrics),
        "services_changed": sorted(services),
        "tools_changed": sorted(tools),
    }
