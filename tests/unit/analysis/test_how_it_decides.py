"""The page *How it decides* shows what the solver really makes of its incident, line by line."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.architecture.source import ROOT
from tests.unit.analysis.test_chains import ASKED, BACK, DEPLOY, EDGES, FRONT, FULL, NOW, SLOW, ago
from tools.analysis.facts import Fact, Link, Measured, Snapshot, StartClass, service
from tools.analysis.rca.explain import told
from tools.analysis.rca.verdict import decide

PAGE = ROOT / "docs" / "how-it-decides.md"
MAIL = service("mail")
FACTS = (
    replace(FULL, sentence="store is out of connections, 100 % in use, usually 41 %"),
    replace(SLOW, sentence="front answers in 2.1 s, usually 240 ms"),
    replace(
        SLOW, subject=BACK, metric="latency", writer="application back", evidence="E2",
        since=ago(19), sentence="back answers in 1.9 s, usually 120 ms", explained_by="",
        unexplained=None,
    ),
    Fact(
        BACK, "connections-exhausted", Link.START,
        "connections that back needs are all in use: “timed out waiting for a connection”",
        "logs", "application back", StartClass.EXHAUSTED, since=ago(18),
        tolerance=timedelta(minutes=1), evidence="E5", names=("store",),
    ),
    replace(DEPLOY, sentence="Deploy of store (3.1.0 → 3.2.0) at 13:36 UTC", names=("3.2.0",)),
    replace(
        DEPLOY, subject=MAIL, since=ago(5), evidence="E3",
        sentence="Deploy of mail (8.0.1 → 8.1.0) at 13:55 UTC",
    ),
    replace(
        SLOW, subject=FRONT, predicate="alert", source="alerts", metric="", unexplained=None,
        sentence="alert FrontSlow fires for front", since=ago(10), evidence="E6",
    ),
)  # fmt: skip


def shown() -> str:
    calm = tuple(Measured(MAIL, role, role) for role in ("latency", "errors"))
    decided = decide(Snapshot(NOW, FACTS, EDGES, measured=calm), ASKED)
    lines = []
    for cause in told(decided, complete=True):
        lines.append(f"{'CAUSE' if cause.proved else 'SUSPECT'}: {cause.cause}")
        for step in cause.path:
            when = f"{step.at:%H:%M}" if step.at else "--:--"
            lines.append(f"  {when} {step.sentence} [{', '.join(step.evidence)}]")
            lines += [f"        {t.name} {t.result}: {t.sentence}" for t in step.tests]
        if cause.settle:
            lines.append(f"  to settle it: {cause.settle}")
    lines += [f"NOT IT: {each.fact.sentence}: {each.why}" for each in decided.acquitted]
    return "\n".join(lines)


def test_the_page_shows_what_is_really_decided() -> None:
    block = f"```text\n{shown()}\n```"
    assert block in PAGE.read_text(encoding="utf-8"), f"the page should say:\n{block}"


def test_the_page_names_every_test_that_is_made() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in ("own", "still", "mechanism", "reach", "order", "dose"):
        assert f"| *{name}* |" in page
