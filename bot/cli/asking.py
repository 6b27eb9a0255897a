"""`ask TEXT`: progress on stderr, the answer on stdout."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.ending import CommandFailedError, carry_out, one_line, settings, show_json
from foundation.hidden import readable

if TYPE_CHECKING:
    from bot.core.ports import StepUpdate
    from bot.domain.answer import Answer
    from bot.domain.run import Running

_MARKS = {"in_progress": "·", "complete": "✓", "error": "✗"}


class TerminalReply:
    """The Reply port for a terminal: steps as they end, then the answer with its price."""

    def __init__(self, *, quiet: bool = False) -> None:
        """`quiet` leaves stdout to the caller, for --json."""
        from rich.console import Console

        self._progress = Console(file=sys.stderr, highlight=False)
        self._answer = Console(file=sys.stdout, highlight=False)
        self._quiet = quiet
        self.failed = ""

    async def step(self, update: StepUpdate) -> None:
        """Tell a step once it has ended."""
        if update.status == "in_progress":
            return
        told = f"{_MARKS.get(update.status, '·')} {update.title}"
        if update.output:
            told = f"{told}: {_line(update.output)}"
        self._progress.print(one_line(told), style="dim", markup=False, soft_wrap=True)

    async def say(self, text: str) -> None:
        """Keep prose for the end: stdout holds the whole answer once."""

    async def take_back(self) -> None:
        """Nothing was shown."""

    async def finish(self, run: Running, answer: Answer) -> None:  # noqa: ARG002 - the port's
        """Print the answer and what it cost."""
        if self._quiet:
            return
        text = readable(answer.text)
        if self._answer.is_terminal:
            from rich.markdown import Markdown

            self._answer.print(Markdown(text))
        else:
            self._answer.print(text, markup=False, soft_wrap=True)
        cost = f"${answer.usage.usd_micros / 1e6:.4f}" if answer.usage.usd_micros else "free"
        told = (
            f"{answer.mode} · {len(answer.evidence)} steps · {answer.usage.seconds:.1f} s · {cost}"
        )
        self._progress.print(told, style="dim", markup=False)

    async def fail(self, run: Running, text: str) -> None:  # noqa: ARG002 - the port's
        """Remember the apology; the command ends with it."""
        self.failed = text


def _line(text: str, length: int = 100) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def ask(
    text: Annotated[str, typer.Argument(help="The question, in quotes.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one object.")] = False,
) -> None:
    """Answer a question with evidence, here in the terminal."""
    if not text.strip():
        raise typer.BadParameter("the question is empty", param_hint="TEXT")
    from bot.core.investigation.answer_json import answer_to_json
    from bot.main import ask as answer_question

    reply = TerminalReply(quiet=as_json)
    try:
        answer, plan = carry_out(answer_question(settings(), text, reply))
    except CommandFailedError as error:
        raise CommandFailedError(reply.failed or str(error)) from error
    if as_json:
        show_json(answer_to_json(answer, plan))
