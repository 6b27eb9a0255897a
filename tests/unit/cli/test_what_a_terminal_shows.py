"""Foreign text on a terminal colours nothing, hides nothing and begins no line of its own."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from bot.cli.asking import TerminalReply
from bot.cli.auditing import _show
from bot.cli.ending import fail
from bot.core.ports import AuditRow, StepUpdate
from bot.domain.audit import Event
from bot.domain.secrets.redaction import Redactor
from bot.telemetry import LogConfig, configure_logging
from tests.fixtures.nouns import NOW, a_run, an_answer

HOSTILE = "error\x1b[2K\x1b[1A\x1b]0;title\x07 \u202eolleh\u202c pa\u200bss\rfine"
FORGED = f"{HOSTILE}\n     7 2026-11-26 12:00:00 sealed plan.approved"


@pytest.fixture(autouse=True)
def _logs_stay_as_they_are() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def hides(text: str) -> bool:
    return bool(set(text) & set("\x1b\x07\r\u202e\u202c\u200b"))


async def test_an_answer_and_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    reply = TerminalReply()
    await reply.step(StepUpdate("step-1", FORGED, "complete", FORGED))
    await reply.finish(a_run(), replace(an_answer(), text=HOSTILE))
    shown = capsys.readouterr()
    assert "error" in shown.out
    assert "error" in shown.err
    assert not hides(shown.out + shown.err)
    assert not [line for line in shown.err.splitlines() if line.startswith("     7 ")]


def test_an_audit_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    event = Event(kind="plan.rejected", at=NOW, actor="U0ALICE01", subject="PLAN-1", why=FORGED)
    row = AuditRow(seq=6, event=event, private_sha256="", seal="")
    _show([row], as_json=False)
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    assert not hides(shown)


def test_an_error() -> None:
    assert not hides(str(fail(FORGED)))


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_line(as_json: bool) -> None:
    stream = io.StringIO()
    configure_logging(LogConfig(json=as_json), Redactor(), stream)
    structlog.get_logger("it").warning("it.failed", why=HOSTILE)
    shown = stream.getvalue()
    assert "it.failed" in shown
    assert not set(shown) & set("\x1b\x07\r")
    assert as_json or not hides(shown)
