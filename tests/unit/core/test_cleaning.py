"""What tools found is kept without the secrets in it, on every way into the store."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.domain.secrets.redaction import Redactor
from tools.world import Cause, Change, ChangeKind, ServiceName, SimilarCase

SECRET = "hunter22x"
SAID = f"login with password={SECRET} failed"
CUT = "login with password=[redacted: secret] failed"
REDACTOR = Redactor()


def test_a_cause_and_what_speaks_for_it_are_cut() -> None:
    found = REDACTOR.cause(Cause(SAID, ServiceName("shop"), "data", 0.5, reasons=(SAID, "new")))
    assert (found.cause, found.reasons) == (CUT, (CUT, "new"))


def test_a_change_is_cut_in_every_text_of_it() -> None:
    at = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    found = REDACTOR.change(Change(at, ChangeKind.DEPLOY, "shop", SAID, SAID, SAID, SAID))
    assert {found.summary, found.before, found.after, found.author} == {CUT}
    assert SECRET not in repr(found)


def test_a_past_case_is_cut() -> None:
    found = REDACTOR.case(SimilarCase("PM-1", SAID, "postmortem", SAID, 1.0))
    assert (found.title, found.snippet) == (CUT, CUT)
