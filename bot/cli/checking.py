"""`doctor` and `check-config`: what is on, what is off, what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.ending import CommandFailedError, carry_out, fail, settings, show_json

if TYPE_CHECKING:
    from bot.core.upkeep.doctor import Row
    from bot.main import Settings

_STYLES = {"ok": "green", "off": "dim", "failed": "bold red"}


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of one file or folder. `error` is empty when it is good."""

    path: str
    detail: str = ""
    error: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Ask every configured dependency how it is; say what is off and what would switch it on."""
    from bot.core.upkeep.doctor import all_well
    from bot.main import examine_all

    rows = carry_out(examine_all(settings()))
    if as_json:
        told = [
            {"name": r.name, "state": r.state, "detail": r.detail, "todo": r.todo} for r in rows
        ]
        show_json({"ok": all_well(rows), "dependencies": told})
    else:
        _table(rows)
    if not all_well(rows):
        names = ", ".join(r.name for r in rows if r.state == "failed")
        raise fail(f"not well: {names}")


def _table(rows: list[Row]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("dependency", "state", "detail", "what to do"):
        table.add_column(title, overflow="fold")
    for row in rows:
        todo = "" if row.state == "ok" else row.todo
        style = _STYLES[row.state.value]
        table.add_row(Text(row.name), Text(row.state.value, style), Text(row.detail), Text(todo))
    Console(width=None if Console().is_terminal else 160).print(table)


def check_config(
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Read every file the bot reads at its start, and say what is wrong where."""
    found = settings()
    checked = [Checked(str(found.files.config), "configuration"), *_files(found)]
    doubts = _doubts(found)
    errors = [c for c in checked if c.error]
    if as_json:
        show_json(
            {
                "ok": not errors,
                "files": [{"path": c.path, "detail": c.detail, "error": c.error} for c in checked],
                "retired": dict(found.retired),
                "warnings": doubts,
                "off": dict(found.off),
            }
        )
    else:
        for each in checked:
            if not each.error:
                typer.echo(f"ok      {each.path}: {each.detail}")
        for key, why in found.retired.items():
            typer.echo(f"retired {key}: {why}; remove it")
        for doubt in doubts:
            typer.echo(f"warning {doubt}")
        for name, how in found.off.items():
            typer.echo(f"off     {name}: {how}")
    if errors:
        raise CommandFailedError("; ".join(" ".join(c.error.split()) for c in errors))


def _doubts(found: Settings) -> list[str]:
    """Return what is right in form and resolves to nothing."""
    from bot.cli.doubts import doubts_of
    from tools.metrics_and_services import CatalogueError

    try:
        return doubts_of(found, _services(found))
    except CatalogueError:
        return doubts_of(found, ())  # told as an error of the file


def _services(found: Settings) -> list[str]:
    """Return the names of the services, with their clusters checked as at the start."""
    from tools.metrics_and_services import load_services

    return list(
        load_services(
            found.files.services,
            cluster=found.default_cluster,
            clusters=found.cluster_names,
        )
    )


def _files(found: Settings) -> list[Checked]:
    """Read what the document names; a bad file does not keep the others from being read."""
    from playbooks.loader import PlaybookError, load_library
    from tools.act.actions import ACTIONS, load_actions
    from tools.extensions import ExtensionError
    from tools.metrics_and_services import CatalogueError, load_metrics
    from tools.rules import RuleError, load_rules

    files = found.files
    checked: list[Checked] = []
    metrics: list[str] = []
    try:
        metrics = [str(name) for name in load_metrics(files.metrics)]
        checked.append(Checked(str(files.metrics), f"{len(metrics)} metrics"))
    except CatalogueError as error:
        checked.append(Checked(str(files.metrics), error=str(error)))
    try:
        services = _services(found)
        checked.append(Checked(str(files.services), f"{len(services)} services"))
    except CatalogueError as error:
        checked.append(Checked(str(files.services), error=str(error)))
    try:
        rules = load_rules(files.rca_rules, metrics)
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
        library = load_library(files.playbooks, actions, metrics)
        checked.append(Checked(library_folders, f"{len(library)} playbooks"))
    except PlaybookError as error:
        checked.append(Checked(library_folders, error=str(error)))
    checked += [*_own_tools(found), _schedule(found)]
    return checked


def _named(folders: Iterable[Path]) -> str:
    return ", ".join(str(folder) for folder in folders)


def _own_tools(found: Settings) -> list[Checked]:
    """Load the tools a team added, as the start does."""
    from tools.catalog import ALL, load_tools
    from tools.extensions import ExtensionError

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
    from bot.main import schedule_error

    digest = found.digest
    name = f"{found.files.config}: slack.digest"
    error = schedule_error(digest.cron, digest.timezone)
    if error:
        return Checked(name, error=f"{found.files.config}: slack.digest.cron: {error}")
    return Checked(name, f"{digest.cron} in {digest.timezone}")
