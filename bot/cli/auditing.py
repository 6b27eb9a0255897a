"""`audit verify | tail | show | export`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.ending import carry_out, fail, one_line, settings, show_json

if TYPE_CHECKING:
    from bot.core.ports import AuditRow, ChainReport

app = typer.Typer(no_args_is_help=True, help="The audit chain: verify, read, export.")
Json = Annotated[bool, typer.Option("--json", help="Print one object.")]
EVER = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


@app.command()
def verify(
    anchors: Annotated[
        Path | None,
        typer.Option(help="File of anchors to compare with, in place of audit.anchor.file."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Walk the chain from its start; exit 1 names the first bad row.

    Anchors show a tail that was cut off, a chain that was emptied or one that was written anew.
    """
    report = carry_out(_verify(anchors))
    unsealed = report.rows - report.sealed
    if as_json:
        show_json(
            {
                "ok": report.broken_at is None,
                "rows": report.rows,
                "sealed": report.sealed,
                "unsealed": unsealed,
                "anchors": report.anchors,
                "notes": list(report.notes),
                "broken_at": report.broken_at,
                "reason": report.reason,
            }
        )
    elif report.broken_at is None:
        tail = f", {unsealed} not sealed yet" if unsealed else ""
        fit = f"; {report.anchors} anchors agree" if report.anchors else ""
        typer.echo(f"the chain holds: {report.sealed} of {report.rows} rows sealed{tail}{fit}")
        if not report.anchors:
            typer.echo("no anchor is known: a chain that was emptied or cut would not show")
        for note in report.notes:
            typer.echo(note)
    if report.broken_at is not None:
        raise fail(f"the chain is broken at row {report.broken_at}: {report.reason}")


async def _verify(anchors: Path | None) -> ChainReport:
    from bot.main import kept_anchors, open_database, unsealed_since

    found = settings()
    async with open_database(found) as store:
        kept = await kept_anchors(found, anchors)
        async with store.read() as tx:
            return await tx.audit.verify(kept, unsealed_since(found))


@app.command()
def tail(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000)] = 50,
    as_json: Json = False,
) -> None:
    """Show the newest rows, oldest first."""
    _show(carry_out(_tail(limit, "")), as_json)


@app.command()
def show(
    subject: Annotated[str, typer.Argument(help="An id, such as PLAN-9c01d4.")],
    as_json: Json = False,
) -> None:
    """Show everything that happened to one subject."""
    rows = carry_out(_tail(10_000, subject))
    if not rows:
        raise fail(f"the audit knows nothing of {subject!r}; `audit tail` shows recent ids")
    _show(rows, as_json)


async def _tail(limit: int, subject: str) -> list[AuditRow]:
    from bot.main import open_database

    async with open_database(settings()) as store, store.read() as tx:
        return await tx.audit.tail(limit, subject)


@app.command()
def export(
    since: Annotated[datetime | None, typer.Option(help="UTC, inclusive.")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC, exclusive.")] = None,
    as_json: Json = False,
) -> None:
    """Print rows as JSON lines; personal text stays behind, its sha256 is there."""
    import json

    rows = carry_out(_since(_utc(since, EVER), _utc(until, NEVER)))
    if as_json:
        show_json({"rows": [_row(row) for row in rows]})
        return
    for row in rows:
        typer.echo(json.dumps(_row(row), ensure_ascii=False, separators=(",", ":")))


async def _since(start: datetime, end: datetime) -> list[AuditRow]:
    from bot.main import open_database

    async with open_database(settings()) as store, store.read() as tx:
        return await tx.audit.since(start, end)


def _utc(at: datetime | None, otherwise: datetime) -> datetime:
    if at is None:
        return otherwise
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _row(row: AuditRow) -> dict[str, Any]:
    event = row.event
    return {
        "seq": row.seq,
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor,
        "subject": event.subject,
        "why": event.why,
        "digest": event.digest,
        "facts": event.facts,
        "private_sha256": row.private_sha256,
        "seal": row.seal,
    }


def _show(rows: list[AuditRow], as_json: bool) -> None:
    if as_json:
        show_json({"rows": [_row(row) for row in rows]})
        return
    for row in rows:
        event = row.event
        sealed = "sealed" if row.seal else "open  "
        facts = " ".join(f"{k}={v}" for k, v in event.facts.items())
        told = one_line(f"{event.why} {facts}")
        typer.echo(
            f"{row.seq:>6} {event.at:%Y-%m-%d %H:%M:%S} {sealed} {event.kind:<22} "
            f"{event.subject:<16} {event.actor:<12} {told}".rstrip()
        )
