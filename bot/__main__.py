"""`python -m bot …`: the command line, a closed list.

Exit status: 0 success, 1 what was asked for failed, 2 wrong usage. An error is one line on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from bot.cli import asking, auditing, checking, database, init, knowledge_base, library, rbac
from bot.cli.ending import CommandFailedError, carry_out, settings

app = typer.Typer(
    name="python -m bot",
    help="SRE Agent: investigates, proposes fixes, runs what people approve.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.command()
def run() -> None:
    """Run the bot until it is told to stop (SIGINT, SIGTERM)."""
    from bot.main import serve

    carry_out(serve(settings(log_level="")))


app.command()(asking.ask)
app.command()(init.init)
app.command()(checking.doctor)
app.command("check-config")(checking.check_config)
app.add_typer(auditing.app, name="audit")
app.add_typer(library.app, name="playbooks")
app.add_typer(knowledge_base.app, name="knowledge")
app.add_typer(database.db, name="db")
app.add_typer(database.token, name="token")
app.command()(rbac.rbac)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    from typer._click.exceptions import NoArgsIsHelpError
    from typer.exceptions import TyperException

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = app(given, standalone_mode=False)
    except NoArgsIsHelpError as error:
        typer.echo(error.format_message(), err=True)
        return 2
    except TyperException as error:
        return _line(f"{error.format_message()} (--help shows what there is)", 2)
    except CommandFailedError as error:
        return _line(str(error), 1)
    except (typer.Abort, KeyboardInterrupt):
        return _line("interrupted", 130)
    return status if isinstance(status, int) else 0


def _line(text: str, status: int) -> int:
    typer.echo(f"sre-agent: {' '.join(text.split())}", err=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
