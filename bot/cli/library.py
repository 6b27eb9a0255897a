"""`playbooks lint | show | simulate`: the library on disk, without any backend."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.ending import CommandFailedError, fail, settings, show_json

if TYPE_CHECKING:
    from playbooks.loader import Library, Loaded

app = typer.Typer(no_args_is_help=True, help="Playbooks: check, show, try their triggers.")
Json = Annotated[bool, typer.Option("--json", help="Print one object.")]


def _library(paths: list[Path] | None = None) -> Library:
    from playbooks.loader import PlaybookError, load_file, load_library
    from tools.act.actions import load_actions
    from tools.extensions import ExtensionError
    from tools.metrics_and_services import CatalogueError, load_metrics
    from tools.world import Catalogue

    files = settings().files
    try:
        actions = load_actions(files.actions)
        metrics = Catalogue(load_metrics(files.metrics), {}).measurable
        if not paths:
            return load_library(files.playbooks, actions, metrics)
        found: dict[str, Loaded] = {}
        for path in paths:
            if path.is_dir():
                found |= load_library([path], actions, metrics)
            elif not path.is_file():
                raise fail(f"there is no playbook file or folder {str(path)!r}")
            else:
                loaded = load_file(path, actions, metrics)
                found[loaded.playbook.id] = loaded
        return found
    except (PlaybookError, CatalogueError, ExtensionError) as error:
        raise fail(str(error)) from error


def _refuse_every_wrong_file(paths: Iterable[Path]) -> None:
    """Tell what is wrong with each file below the named folders, not only with the first."""
    files = [file for path in paths if path.is_dir() for file in sorted(path.rglob("*.yaml"))]
    wrong: list[CommandFailedError] = []
    for file in files:
        try:
            _library([file])
        except CommandFailedError as error:
            wrong.append(error)
    for each in wrong[:-1]:
        typer.echo(f"sre-agent: {each}", err=True)
    if wrong:
        raise wrong[-1]  # the last one is told where every command's failure is


def _one(playbook_id: str) -> Loaded:
    from foundation.nearest import nearest

    library = _library()
    if playbook_id not in library:
        raise fail(f"there is no playbook {playbook_id!r}.{nearest(playbook_id, library)}")
    return library[playbook_id]


@app.command()
def lint(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files or folders; default: all.")
    ] = None,
) -> None:
    """Check playbooks: keys, actions, parameters, metrics, expressions, templates."""
    _refuse_every_wrong_file(paths or settings().files.playbooks)
    library = _library(paths)
    typer.echo(f"{len(library)} playbooks are good: {', '.join(sorted(library)) or 'none'}")


@app.command("list")
def list_playbooks(as_json: Json = False) -> None:
    """List the library."""
    library = _library()
    if as_json:
        told = [{"id": k, "name": v.playbook.name, "path": v.path} for k, v in library.items()]
        show_json({"playbooks": told})
        return
    for key, loaded in sorted(library.items()):
        typer.echo(f"{key:<28} {loaded.playbook.name}")


@app.command()
def show(playbook_id: Annotated[str, typer.Argument(metavar="ID")], as_json: Json = False) -> None:
    """Show one playbook as it was read, with the hash that an approval is bound to."""
    loaded = _one(playbook_id)
    if as_json:
        body = loaded.playbook.model_dump(mode="json")
        show_json({"playbook": body, "sha256": loaded.sha256, "path": loaded.path})
        return
    typer.echo(f"# {loaded.path} sha256 {loaded.sha256}")
    typer.echo(Path(loaded.path).read_text(encoding="utf-8").rstrip())


@app.command()
def simulate(
    playbook_id: Annotated[str, typer.Argument(metavar="ID")],
    metric: Annotated[list[str] | None, typer.Option(help="NAME=VALUE, repeatable.")] = None,
    event: Annotated[list[str] | None, typer.Option(help="An event reason, repeatable.")] = None,
    log: Annotated[list[str] | None, typer.Option(help="A log line, repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Say which trigger conditions and preconditions would hold for given facts; runs nothing."""
    from playbooks.simulation import simulate as simulated
    from playbooks.triggers import TriggerFacts

    playbook = _one(playbook_id).playbook
    given = _metrics(metric or [])
    _refuse_unknown(given)
    facts = TriggerFacts(
        metrics=given,
        events=None if event is None else frozenset(event),
        logs=None if log is None else tuple(log),
    )
    found = simulated(playbook, facts)
    conditions = {"trigger": found.trigger, "precondition": found.precondition}
    steps = [{"name": s.name, "action": s.action, "target": s.target} for s in playbook.steps]
    if as_json:
        show_json({"id": playbook.id, "fits": found.fits, "conditions": conditions, "steps": steps})
        return
    words: dict[Any, str] = {True: "holds", False: "does not hold", None: "unknown"}
    for sort, texts in conditions.items():
        for text, value in texts.items():
            typer.echo(f"{sort:<13} {words[value]:<14} {text}")
    typer.echo(f"{playbook.id} would {'' if found.fits else 'not '}be proposed")
    for number, step in enumerate(steps, 1):
        typer.echo(f"step {number}: {step['action']} on {step['target']} ({step['name']})")


def _metrics(pairs: list[str]) -> dict[str, float]:
    found = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign or not name.strip():
            raise typer.BadParameter(
                f"{pair!r} must be NAME=VALUE, such as role:latency=1.2", param_hint="--metric"
            )
    return found


def _refuse_unknown(given: dict[str, float]) -> None:
    """End with the nearest name for a metric that no catalogue has: it would decide nothing."""
    from foundation.nearest import nearest
    from tools.metrics_and_services import CatalogueError, load_metrics
    from tools.world import ROLE, Catalogue

    try:
        known = Catalogue(load_metrics(settings().files.metrics), {}).measurable
    except CatalogueError as error:
        raise fail(str(error)) from error
    for name in given:
        if name not in known and not name.startswith(ROLE):
            raise fail(f"there is no metric {name!r}.{nearest(name, known)}")
