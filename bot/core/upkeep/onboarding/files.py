"""The files of a catalogue: read, merged with what is proposed, shown as a diff, written.

    metrics.yaml, services.yaml    a person's, and ours only where they left it
    init-proposed.json             what was proposed last: how a person's edit is told from ours

The first run writes. A later one shows what it would change and writes only when it is told to.
What is written is read first as the bot reads it; a file that would not be read is not written.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.core.upkeep.onboarding.merging import MARK, Entry, Fields, MergedFile, merge
from bot.core.upkeep.onboarding.verifying import Proposal
from foundation.yaml_edit import YamlEditError, edited
from foundation.yaml_file import parse_yaml
from tools.metrics_and_services import CatalogueError, load_metrics, load_services
from tools.onboarding.service_drafts import ServiceDraft

PROPOSED_FILE = "init-proposed.json"
_ABOUT = (
    "What `python -m bot init` proposed last; it tells your edits from its own by this file. "
    "Keep it beside the others."
)
_METRICS_HEAD = (
    "# The metrics the bot watches, as `python -m bot init` found them. Each query had data when it"
    " was written.\n# Limits marked `proposal:` are guesses: change them, init keeps what you"
    " write. docs/detection.md tells the keys.\n"
)
_SERVICES_HEAD = (
    "# The services the bot knows, as `python -m bot init` found them. Add tier, channel, mode and"
    " aliases:\n# init keeps what you write. docs/configure.md tells the keys.\n"
)


@dataclass(frozen=True, slots=True)
class CatalogueFiles:
    """Where a catalogue stands."""

    metrics: Path
    services: Path

    @property
    def proposed(self) -> Path:
        """Where it is kept what was proposed last."""
        return self.metrics.parent / PROPOSED_FILE


@dataclass(frozen=True, slots=True)
class FileChange:
    """One file with what is proposed in it."""

    path: Path
    before: str
    after: str
    merged: MergedFile

    @property
    def diff(self) -> str:
        """What would change, as `diff -u` shows it."""
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"{self.path} (now)",
            f"{self.path} (proposed)",
        )
        return "".join(lines)


@dataclass(frozen=True, slots=True)
class ProposedFiles:
    """What would be written; `first` when nothing was proposed here before."""

    changes: tuple[FileChange, ...]
    first: bool
    state: Mapping[str, Mapping[str, Fields]]

    @property
    def nothing(self) -> bool:
        """Say whether every file already says it."""
        return all(each.before == each.after for each in self.changes)


def propose(
    files: CatalogueFiles, proposals: Sequence[Proposal], services: Sequence[ServiceDraft]
) -> ProposedFiles:
    """Return what a run would write. Raises CatalogueError for a file that cannot be read."""
    first, known = _known(files.proposed)
    wanted = {
        "metrics": (files.metrics, metric_entries(proposals), _METRICS_HEAD),
        "services": (files.services, service_entries(services), _SERVICES_HEAD),
    }
    changes, state = [], {}
    for kind, (path, entries, head) in wanted.items():
        text = path.read_text("utf-8") if path.exists() else head
        current = parse_yaml(text, str(path)).value or {}
        if not isinstance(current, Mapping):
            raise CatalogueError(f"{path}: expected names with values, got {current!r}")
        merged = merge(current, known.get(kind, {}), entries)
        try:
            after = edited(text, merged.edits, mark=MARK)
        except YamlEditError as error:
            raise CatalogueError(
                f"{path} {error}; write it plainer, or begin a new folder"
            ) from error
        changes.append(FileChange(path, text if path.exists() else "", after, merged))
        state[kind] = {**known.get(kind, {}), **{each.name: each.fields for each in entries}}
    return ProposedFiles(tuple(changes), first, state)


def write(files: CatalogueFiles, proposed: ProposedFiles) -> list[Path]:
    """Write what differs; returns the files. Raises CatalogueError, and then nothing is written."""
    read: Mapping[Path, Callable[[Path], object]] = {
        files.metrics: load_metrics,
        files.services: load_services,
    }
    drafts = []
    try:
        for each in proposed.changes:
            if each.before != each.after:
                draft = each.path.with_name(f".{each.path.name}.init")
                draft.parent.mkdir(parents=True, exist_ok=True)
                drafts.append((draft, each.path))
                draft.write_text(each.after, "utf-8")
                read[each.path](draft)
    except (OSError, CatalogueError):
        for draft, _ in drafts:
            draft.unlink(missing_ok=True)
        raise
    for draft, path in drafts:
        draft.replace(path)
    files.proposed.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"about": _ABOUT, **proposed.state}, indent=1, ensure_ascii=False)
    files.proposed.write_text(f"{text}\n", "utf-8")
    return [path for _, path in drafts]


def _known(path: Path) -> tuple[bool, Mapping[str, Mapping[str, Fields]]]:
    """Return whether nothing was proposed before, and what was."""
    if not path.exists():
        return True, {}
    try:
        found: Any = json.loads(path.read_text("utf-8"))
        return False, {kind: dict(found[kind]) for kind in ("metrics", "services")}
    except (ValueError, KeyError, TypeError) as error:
        raise CatalogueError(
            f"{path} cannot be read ({error}); put the committed one back, or delete it: then "
            "whatever stands in the catalogue counts as written by a person"
        ) from error


def metric_entries(proposals: Sequence[Proposal]) -> list[Entry]:
    """Return the entries of metrics.yaml."""
    return [_metric(each) for each in proposals]


def _metric(proposal: Proposal) -> Entry:
    draft, limit = proposal.draft, proposal.limit
    fields: dict[str, Any] = {
        "query": draft.query,
        "unit": draft.unit,
        "description": draft.description,
        "role": draft.role.value,
    }
    if draft.resource:
        fields["resource"] = draft.resource
    if draft.bad_direction not in {None, draft.role.bad_direction}:
        fields["bad_direction"] = draft.direction.value
    if limit.value is not None:
        fields["threshold"] = int(limit.value) if limit.value == int(limit.value) else limit.value
    fields["group_by"] = draft.group_by
    heading = draft.source or "told by the shape of names and labels, not by documentation"
    return Entry(draft.name, fields, draft.category, {"threshold": limit.why}, heading)


def service_entries(services: Sequence[ServiceDraft]) -> list[Entry]:
    """Return the entries of services.yaml."""
    return [_service(each) for each in services]


def _service(draft: ServiceDraft) -> Entry:
    fields: dict[str, Any] = {"team": draft.team} if draft.team else {}
    fields["namespace"] = draft.namespace
    if draft.workloads:
        fields["workloads"] = [{"kind": kind, "name": name} for kind, name in draft.workloads]
    for key in ("dependencies", "dashboards", "runbooks"):
        if getattr(draft, key):
            fields[key] = list(getattr(draft, key))
    return Entry(draft.name, fields)
