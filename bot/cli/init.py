"""`init`: learns the catalogue from a live platform."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.ending import carry_out, fail, one_line, settings, show_json

if TYPE_CHECKING:
    from bot.core.upkeep.onboarding.reporting import InitReport


def init(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where metrics.yaml and services.yaml go; default: where they are."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written; write nothing.")
    ] = False,
    apply: Annotated[
        bool, typer.Option("--apply", help="Take what a later run proposes; your edits stay.")
    ] = False,
    catalog_info: Annotated[
        Path | None,
        typer.Option(help="Backstage's catalog-info.yaml, or a folder that holds several."),
    ] = None,
    show_diff: Annotated[
        bool, typer.Option("--diff", help="Show the diff of a first run, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Learn metrics.yaml and services.yaml from the metrics store that PROMETHEUS_URL names.

    Kubernetes and Backstage are read as well where they are configured. The first run writes; a
    later one shows what it proposes, and nothing a person wrote is ever overwritten.
    """
    from bot.main import InitWish, learn_platform

    if dry_run and apply:
        raise typer.BadParameter("--dry-run writes nothing, --apply does: give one of them")
    wish = InitWish(folder, dry_run=dry_run, apply=apply, backstage=catalog_info)
    report = carry_out(learn_platform(settings(), wish, _progress))
    if as_json:
        show_json(_as_object(report))
    else:
        _show(report, diffs=show_diff or dry_run or not report.first)
    if not report.metrics:
        raise fail("no metric could be proposed: nothing that the store knows was recognised")


def _progress(line: str) -> None:
    typer.echo(f"… {one_line(line)}", err=True)


def _show(report: InitReport, *, diffs: bool) -> None:
    if diffs:
        for each in report.diffs:
            typer.echo(each)
    typer.echo(f"recognised   {', '.join(report.recognised) or 'no convention'}")
    typer.echo(f"metrics      {report.metrics} proposed, each with data")
    typer.echo(
        f"services     {report.services}; {report.served} take requests, of "
        f"{report.served - len(report.lacking)} rate, errors and duration are told"
    )
    if report.logs:
        typer.echo(f"logs         {one_line(report.logs)}")
    for gap in report.lacking:
        typer.echo(f"not told     {gap.service}: {', '.join(gap.roles)} ({gap.why})")
    for text in report.gaps:
        typer.echo(f"not told     {one_line(text)}")
    if report.silent:
        names = ", ".join(one_line(each).partition(":")[0] for each in report.silent)
        typer.echo(f"no data      {names}")
    for text in report.kept:
        typer.echo(f"yours stays  {one_line(text)}")
    for text in report.removed:
        typer.echo(f"stays out    {one_line(text)} (you took it out)")
    for path in report.written:
        typer.echo(f"wrote        {path}")
    _outcome(report)
    for command in report.next:
        typer.echo(f"next         {command}")


def _outcome(report: InitReport) -> None:
    if report.nothing_new:
        typer.echo("nothing new: the files say it already")
    elif not report.written:
        typer.echo("nothing is written")


def _as_object(report: InitReport) -> dict[str, Any]:
    return {
        "recognised": report.recognised,
        "metrics": report.metrics,
        "services": report.services,
        "take_requests": report.served,
        "red_ratio": round(report.red_ratio, 3),
        "lacking": [
            {"service": each.service, "roles": each.roles, "why": each.why}
            for each in report.lacking
        ],
        "gaps": report.gaps,
        "logs": report.logs,
        "no_data": report.silent,
        "kept": report.kept,
        "removed": report.removed,
        "diff": "".join(report.diffs),
        "written": [str(path) for path in report.written],
        "next": report.next,
    }
