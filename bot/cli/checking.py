"""`doctor` and `check-config`: what is on, what is off, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.ending import CommandFailedError, carry_out, fail, settings, show_json

if TYPE_CHECKING:
    from bot.core.upkeep.doctor import DependencyRow

_STYLES = {"ok": "green", "off": "dim", "failed": "bold red"}


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


def _table(rows: list[DependencyRow]) -> None:
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
    from bot.main import check_config as check

    report = check(settings())
    if as_json:
        show_json(
            {
                "ok": not report.errors,
                "files": [
                    {"path": c.path, "detail": c.detail, "error": c.error} for c in report.files
                ],
                "retired": report.retired,
                "warnings": report.doubts,
                "off": dict(report.off),
            }
        )
    else:
        for each in report.files:
            if not each.error:
                typer.echo(f"ok      {each.path}: {each.detail}")
        for key, why in report.retired.items():
            typer.echo(f"retired {key}: {why}; remove it")
        for doubt in report.doubts:
            typer.echo(f"warning {doubt}")
        for name, how in report.off.items():
            typer.echo(f"off     {name}: {how}")
    if report.errors:
        raise CommandFailedError("; ".join(" ".join(each.split()) for each in report.errors))
