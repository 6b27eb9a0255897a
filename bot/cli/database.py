"""`db upgrade | downgrade` and `token create | list | revoke`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.ending import carry_out, fail, settings, show_json
from bot.domain.access import Scope

if TYPE_CHECKING:
    from bot.core.ports import ApiToken
    from bot.core.upkeep.api_tokens import Tokens

db = typer.Typer(no_args_is_help=True, help="The database's schema.")
token = typer.Typer(no_args_is_help=True, help="Tokens of the REST API.")
Json = Annotated[bool, typer.Option("--json", help="Print one object.")]
_SPAN = re.compile(r"(\d{1,4})([dh])")
_USER = re.compile(r"[UW][A-Z0-9]{2,}")


@db.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="A revision, or head.")] = "head",
) -> None:
    """Migrate to the newest schema, or to a named revision."""
    typer.echo(f"{carry_out(_migrate('upgrade', revision))} is at {revision}")


@db.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="An older revision; base empties it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Migrate back; columns and tables of newer revisions are lost."""
    if not yes and not typer.confirm(f"go back to {revision!r} and lose what is newer?"):
        raise fail("nothing was changed")
    typer.echo(f"{carry_out(_migrate('downgrade', revision))} is at {revision}")


async def _migrate(direction: str, revision: str) -> str:
    from bot.main import migrate

    return await migrate(settings(), direction, revision)


@token.command()
def create(
    user: Annotated[str, typer.Argument(help="The Slack user it belongs to, such as U0ALICE01.")],
    scope: Annotated[list[Scope], typer.Option(help="The one thing it is for.")],
    expires: Annotated[
        str, typer.Option(help="When it ends: 90d, 12h, or a day such as 2027-03-01 (UTC).")
    ] = "90d",
    name: Annotated[str, typer.Option(help="Who uses it: what you will read in `list`.")] = "",
    as_json: Json = False,
) -> None:
    """Create a token for one purpose; it is shown once, only its hash is kept.

    read: the figures. ingest: alerts and deployments, for machines. approve: answering plans and
    acknowledging. admin: halt, resume, import of baselines. The owner's role counts besides.
    """
    if not _USER.fullmatch(user):
        raise typer.BadParameter(
            f"{user!r} is no Slack user id; it begins with U or W (profile → Copy member ID)",
            param_hint="USER",
        )
    if len(scope) > 1:  # the last of them would win, and the others be missed at the first call
        given = ", ".join(each.value for each in scope)
        raise typer.BadParameter(
            f"a token is for one thing, got {given}; create one for each", param_hint="--scope"
        )
    secret, made = carry_out(_create(user, name, scope[0], expires))
    if as_json:
        told = _told(made)
        show_json({**{key: told[key] for key in told if key != "revoked_at"}, "token": secret})
    else:
        until = f"until {made.expires_at:%Y-%m-%d %H:%M} UTC"
        what = f"{made.id} for {made.user}: {made.scope.value}, {until}"
        typer.echo(f"{what}; keep it, it is not shown again", err=True)
        typer.echo(secret)


async def _create(user: str, name: str, scope: Scope, expires: str) -> tuple[str, ApiToken]:
    from bot.domain.ids import UserId

    async with _tokens() as tokens:
        life = _life(expires, tokens.clock.wall())
        return await tokens.create(UserId(user), name, scope, life)


def _life(expires: str, wall: datetime) -> timedelta:
    """Read how long a token shall live. Raises ValueError."""
    if match := _SPAN.fullmatch(expires):
        unit = {"d": "days", "h": "hours"}[match[2]]
        return timedelta(**{unit: int(match[1])})
    try:
        day = date.fromisoformat(expires)
    except ValueError as error:
        raise ValueError(
            f"--expires {expires!r} is no span and no day; write 90d, 12h or 2027-03-01"
        ) from error
    return datetime(day.year, day.month, day.day, tzinfo=UTC) - wall


def _told(made: ApiToken) -> dict[str, str | None]:
    return {
        "id": made.id,
        "user": made.user,
        "name": made.name,
        "scope": made.scope.value,
        "created_at": made.created_at.isoformat(),
        "expires_at": made.expires_at.isoformat(),
        "revoked_at": made.revoked_at.isoformat() if made.revoked_at else None,
    }


@token.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List all tokens; never their secret."""
    tokens, wall = carry_out(_list())
    if as_json:
        show_json({"tokens": [_told(each) for each in tokens]})
        return
    for t in tokens:
        if t.revoked_at:
            state = f"revoked {t.revoked_at:%Y-%m-%d %H:%M}"
        else:
            ended = "expired" if t.expires_at <= wall else "until"
            state = f"{ended} {t.expires_at:%Y-%m-%d %H:%M}"
        typer.echo(f"{t.id} {t.user:<12} {t.scope.value:<7} {state} {t.name}".rstrip())


async def _list() -> tuple[list[ApiToken], datetime]:
    async with _tokens() as tokens:
        return await tokens.all(), tokens.clock.wall()


@token.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Revoke a token at once."""
    if not carry_out(_revoke(token_id)):
        raise fail(f"there is no token {token_id!r}; `token list` shows their ids")
    typer.echo(f"{token_id} is revoked")


async def _revoke(token_id: str) -> bool:
    async with _tokens() as tokens:
        return await tokens.revoke(token_id)


@asynccontextmanager
async def _tokens() -> AsyncIterator[Tokens]:
    from bot.core.upkeep.api_tokens import Tokens
    from bot.main import open_database

    found = settings()
    async with open_database(found, seal=True) as store:
        yield Tokens(store, found.clock)
