"""What people wrote and may change while the bot runs: catalogue, rules, playbooks, own tools.

    files ──load──> LiveFiles.current ──reload──> the new one, or the old one and the reason

A bad file keeps the good one serving; a bad playbook that never served is named and keeps nothing
else from serving. A change is a setting change: audited, and effective for new plans only, because
a plan carries the hash of the playbook it was made from.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from bot.core.ports import Clock, Store, Transaction
from bot.domain.audit import Event
from playbooks.loader import Library
from tools import catalog
from tools.analysis.symptoms import Rule
from tools.contract import Tool
from tools.errors import ToolError
from tools.world import Call, Catalogue

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedFiles:
    """One consistent reading of all files."""

    catalogue: Catalogue
    rules: tuple[Rule, ...]
    library: Library
    tools: tuple[Tool, ...] = field(default=catalog.ALL)
    refused: Mapping[str, str] = field(default_factory=dict)  # path of a bad playbook → what it is
    lacking: tuple[str, ...] = ()  # what is left out because the catalogue lacks what it asks for


@dataclass(frozen=True, slots=True)
class Reloaded:
    """How a reload ended, in one sentence for the person who asked."""

    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class PlaybookChange:
    """One playbook file as it was and is; an empty hash: there was none, or is none any more."""

    playbook: str
    before: str  # sha256 of the file, hex
    after: str


Tell = Callable[[Transaction, tuple[PlaybookChange, ...]], Awaitable[None]]


async def _tell_nobody(_: Transaction, __: tuple[PlaybookChange, ...]) -> None:
    return None


class LiveFiles:
    """Holds the current reading."""

    def __init__(
        self, read: Callable[[], LoadedFiles], stamp: Callable[[], Hashable] = lambda: ()
    ) -> None:
        """Read once; an error here is the start-up's error.

        `stamp` differs when a file was written, made or removed; it is asked often.
        """
        self._read, self._stamp = read, stamp
        self._seen = stamp()
        self._current = read()
        _warn(self._current)
        self._calls: tuple[Call, ...] = ()

    def is_stale(self) -> bool:
        """Say whether a file has changed since it was last read, well or in vain."""
        return self._stamp() != self._seen

    def catalogue(self) -> Catalogue:
        """Return the metrics and services, and who was seen calling whom."""
        return self._current.catalogue

    def discover(self, calls: tuple[Call, ...]) -> None:
        """Take what traffic shows; it outlives a reading of the files."""
        self._calls = calls
        self._current = _with_calls(self._current, calls)

    def rules(self) -> tuple[Rule, ...]:
        """Return the root-cause rules."""
        return self._current.rules

    def library(self) -> Library:
        """Return the playbooks."""
        return self._current.library

    def refused(self) -> Mapping[str, str]:
        """Return the playbooks that are none, by path, with what is wrong where."""
        return self._current.refused

    def lacking(self) -> tuple[str, ...]:
        """Return which rules and playbooks are left out for want of metrics."""
        return self._current.lacking

    def tools(self) -> tuple[Tool, ...]:
        """Return the shipped tools and a team's own."""
        return self._current.tools

    async def reload(
        self, actor: str, store: Store, clock: Clock, tell: Tell = _tell_nobody
    ) -> Reloaded:
        """Read everything again; keep the old reading when anything is wrong.

        `tell` posts what changed, in the transaction of its audit row.
        """
        before, self._seen = self._current, self._stamp()
        try:
            after = self._read()
        except (ValueError, ToolError) as error:  # a catalogue's complaint is a ToolError
            return _refused(str(error))
        serving = {each.path for each in before.library.values()}
        lost = [why for path, why in after.refused.items() if path in serving]
        if lost:
            return _refused("; ".join(lost))
        _warn(after)
        self._current = _with_calls(after, self._calls)
        facts, changes = _difference(before, after), changes_of(before.library, after.library)
        async with store.begin() as tx:
            await tx.audit.append(
                Event("setting.changed", clock.now(), actor, "files", facts=facts)
            )
            if changes:
                await tell(tx, changes)
        counts = (
            f"{len(after.catalogue.metrics)} metrics, {len(after.catalogue.services)} services, "
            f"{len(after.rules)} rules, {len(after.library)} playbooks, {len(after.tools)} tools"
        )
        changed = ", ".join(facts["playbooks_changed"]) or "none"
        named = "".join(f" Not taken: {why}." for why in after.refused.values())
        named += "".join(f" Note: {what}." for what in after.lacking if what not in before.lacking)
        return Reloaded(True, f"Read again: {counts}; changed playbooks: {changed}.{named}")


def _refused(why: str) -> Reloaded:
    log.warning("files.reload_refused", why=why)
    return Reloaded(False, f"{why}. The files read before stay in force.")


def _warn(loaded: LoadedFiles) -> None:
    for why in loaded.refused.values():
        log.warning("files.playbook_refused", why=why)
    if loaded.lacking:
        log.warning("files.lack_metrics", count=len(loaded.lacking), what=loaded.lacking)


def _with_calls(loaded: LoadedFiles, calls: tuple[Call, ...]) -> LoadedFiles:
    return replace(loaded, catalogue=replace(loaded.catalogue, calls=calls))


def changes_of(before: Library, after: Library) -> tuple[PlaybookChange, ...]:
    """Return the playbooks whose file is another now, by name."""
    old = {k: v.sha256 for k, v in before.items()}
    new = {k: v.sha256 for k, v in after.items()}
    return tuple(
        PlaybookChange(name, old.get(name, ""), new.get(name, ""))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _difference(before: LoadedFiles, after: LoadedFiles) -> dict[str, Any]:
    """Return what a reload changed, by name; of playbooks also the old and the new hash."""
    changes = changes_of(before.library, after.library)
    tools = {each.name for each in before.tools} ^ {each.name for each in after.tools}
    return {
        "playbooks_changed": [change.playbook for change in changes],
        "playbook_sha256": {c.playbook: [c.before, c.after] for c in changes},
        "metrics_changed": _differing(before.catalogue.metrics, after.catalogue.metrics),
        "services_changed": _differing(before.catalogue.services, after.catalogue.services),
        "tools_changed": sorted(tools),
    }


def _differing(old: Mapping[Any, object], new: Mapping[Any, object]) -> list[str]:
    """Return the names that were added, removed or mean something else now."""
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
