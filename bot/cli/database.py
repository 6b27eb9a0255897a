"""`db upgrade | downgrade` and `token create | list | revoke`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.ending import carry_out, fail, settings, show_json

if TYPE_CHECKING:
    from bot.core.ports import ApiToken
    from bot.core.upkeep.api_tokens import Tokens

db = typer.Typer(no_args_is_help=True, help="The database's schema.")
token = typer.Typer(no_args_is_help=True, help="Tokens of the REST API.")
Json = Annotated[bool, typer.Option("--json", help="Print one object.")]
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
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    as_json: Json = False,
) -> None:
    """Create a token; it is shown once, only its hash is kept."""
    if not _USER.fullmatch(user):
        raise typer.BadParameter(
            f"{user!r} is no Slack user id; it begins with U or W (profile → Copy member ID)",
            param_hint="USER",
        )
    secret, made = carry_out(_create(user, name))
    if as_json:
        show_json({"id": made.id, "user": made.user, "name": made.name, "token": secret})
    else:
        typer.echo(f"{made.id} for {made.user}; keep it, it is not shown again", err=True)
        typer.echo(secret)


async def _create(user: str, name: str) -> tuple[str, ApiToken]:
    from bot.domain.ids import UserId

    async with _tokens() as tokens:
        return await tokens.create(UserId(user), name)


@token.command("list")
def list_tokens(as_json: Json = False) -> None:
    """List all tokens; never their secret."""
    tokens = carry_out(_list())
    if as_json:
        told = [
            {
                "id": t.id,
                "user": t.user,
                "name": t.name,
                "created_at": t.created_at.isoformat(),
                "revoked_at": t.revoked_at.isoformat() if t.revoked_at else None,
            }
            for t in tokens
        ]
        show_json({"tokens": told})
        return
    for t in tokens:
        state = f"revoked {t.revoked_at:%Y-%m-%d %H:%M}" if t.revoked_at else "live"
        typer.echo(f"{t.id} {t.user:<12} {t.created_at:%Y-%m-%d %H:%M} {state} {t.name}".rstrip())


async def _list() -> list[ApiToken]:
    async with _tokens() as tokens:
        return await tokens.all()


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
    async with open_database(found) as store:
        yield Tokens(store, found.clock)
