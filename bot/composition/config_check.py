"""What check-config asks: every file the start reads, keys that no longer act, what to doubt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.composition.config_doubts import doubts_of, kinds_doubted
from bot.composition.lacking import lacking_of
from bot.settings import Settings
from foundation.cron import Cron, CronError
from playbooks.loader import PlaybookError, read_library
from tools.act.actions import ACTIONS, load_actions
from tools.catalog import ALL, load_tools
from tools.extensions import ExtensionError
from tools.metrics_and_services import CatalogueError, load_metrics, load_services
from tools.rules import RuleError, load_rules, read_rules
from tools.world import Catalogue, ServiceName, ServiceSpec


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one file or folder. `error` is empty when it is good."""

    path: str
    detail: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ConfigReport:
    """What was found about the configuration."""

    files: Sequence[Checked]
    retired: Mapping[str, str]  # keys that can no longer act, with the reason
    doubts: Sequence[str]  # right in form, but resolving to nothing or nobody
    off: Mapping[str, str]  # what is off, with what would switch it on

    @property
    def errors(self) -> list[str]:
        """What is wrong, file by file."""
        return [each.error for each in self.files if each.error]


def check_config(found: Settings) -> ConfigReport:
    """Read every file the bot reads at its start."""
    return ConfigReport(
        files=[Checked(str(found.files.config), "configuration"), *_files(found)],
        retired=found.retired,
        doubts=_doubts(found),
        off=found.off,
    )


def _doubts(found: Settings) -> list[str]:
    """Return what is right in form and resolves to nothing."""
    try:
        services = services_in(found)
        return [*doubts_of(found, services), *kinds_doubted(services), *_lacking(found)]
    except CatalogueError:
        return doubts_of(found, ())  # told as an error of the file


def _lacking(found: Settings) -> tuple[str, ...]:
    """Return what is left out of rules and playbooks; what cannot be read is told as an error."""
    files = found.files
    try:
        catalogue = Catalogue(load_metrics(files.metrics), {})
        rules = read_rules(files.rca_rules, catalogue.named)
        known = load_actions(files.actions)
        playbooks = read_library(files.playbooks, known, catalogue.measurable)
    except (CatalogueError, RuleError, PlaybookError, ExtensionError):
        return ()
    return lacking_of(catalogue, rules, playbooks)


def services_in(found: Settings) -> Mapping[ServiceName, ServiceSpec]:
    """Return the services of the catalogue, with their clusters checked as at the start."""
    return load_services(
        found.files.services,
        cluster=found.default_cluster,
        clusters=found.cluster_names,
    )


def _files(found: Settings) -> list[Checked]:
    """Read what the document names; a bad file does not keep the others from being read."""
    files = found.files
    checked: list[Checked] = []
    catalogue = Catalogue({}, {})
    try:
        catalogue = Catalogue(load_metrics(files.metrics), {})
        checked.append(Checked(str(files.metrics), f"{len(catalogue.metrics)} metrics"))
    except CatalogueError as error:
        checked.append(Checked(str(files.metrics), error=str(error)))
    try:
        services = services_in(found)
        checked.append(Checked(str(files.services), f"{len(services)} services"))
    except CatalogueError as error:
        checked.append(Checked(str(files.services), error=str(error)))
    try:
        rules = load_rules(files.rca_rules)
        checked.append(Checked(str(files.rca_rules), f"{len(rules)} rules"))
    except RuleError as error:
        checked.append(Checked(str(files.rca_rules), error=str(error)))
    library_folders, action_folders = _named(files.playbooks), _named(files.actions) or "actions"
    actions = ACTIONS
    try:
        actions = load_actions(files.actions)
        told = f"{len(actions) - len(ACTIONS)} actions of your own"
        checked.append(Checked(action_folders, told))
    except ExtensionError as error:
        checked.append(Checked(action_folders, error=str(error)))
    try:
        read = read_library(files.playbooks, actions)
        checked.append(Checked(library_folders, f"{len(read.library)} playbooks"))
        checked += [Checked(path, error=why) for path, why in read.refused.items()]
    except PlaybookError as error:
        checked.append(Checked(library_folders, error=str(error)))
    checked += [*_own_tools(found), _schedule(found)]
    return checked


def _named(folders: Iterable[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)


def _own_tools(found: Settings) -> list[Checked]:
    """Load the tools a team added, as the start does."""
    named = _named(found.files.tools) or "tools"
    try:
        tools = load_tools(found.files.tools)
    except ExtensionError as error:
        return [Checked(named, error=str(error))]
    own = [each.name for each in tools if each not in ALL]
    told = f", {len(own)} of them your own: {', '.join(own)}" if own else ""
    return [Checked(named, f"{len(tools)} tools{told}")]


def _schedule(found: Settings) -> Checked:
    """Read the digest's schedule."""
    digest = found.digest
    name = f"{found.files.config}: slack.digest"
    try:
        Cron(digest.cron, digest.timezone)
    except CronError as error:
        return Checked(name, error=f"{found.files.config}: slack.digest.cron: {error}")
    return Checked(name, f"{digest.cron} in {digest.timezone}")
