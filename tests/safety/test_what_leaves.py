"""What a service's `model_data` keeps from Claude is in no request to it, whoever asks for what."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bot.core.investigation.model.reading import ModelReading
from bot.core.investigation.recorder import for_model
from bot.domain.answer import Evidence
from bot.store.store import SqlStore
from sandbox.model.script import Turn, text, tool_use
from sandbox.model.server import start_model
from tests.architecture.source import ROOT
from tests.safety.leaving import (
    ASKED_ABOUT_SERVICES,
    ASKED_ONCE,
    LEVELS,
    QUERY,
    SOURCES,
    WHOSE,
    Production,
    mark,
    words,
)
from tools.catalog import ALL
from tools.world import ModelData


@pytest.fixture
async def production(store: SqlStore, tmp_path: Path) -> AsyncIterator[Production]:
    model = await start_model("127.0.0.1", 0)
    made = Production(store, tmp_path, model)
    await made.plant()
    yield made
    await made.claude.close()
    await model.close()


@pytest.fixture
def no_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Claude read evidence as people do."""

    async def read(_: ModelReading, evidence: Evidence) -> str:
        return for_model(evidence)

    monkeypatch.setattr(ModelReading, "read", read)


SEARCH = tool_use("search_logs", {})
DONE = text("**It is as it is.**\nConfidence: low")


def marks(sent: str, whose: str) -> set[str]:
    """Return the sources of somebody's words that reached Claude."""
    return {each for each in (*SOURCES, "error") if mark(each, whose) in sent}


def test_the_model_of_these_stories_calls_every_tool_there_is() -> None:
    asked = {name for name, _ in (*ASKED_ABOUT_SERVICES, *ASKED_ONCE)}
    assert {each.name for each in ALL} <= asked | {"read_evidence"}


def test_evidence_becomes_the_models_text_at_one_door_and_a_request_in_one_loop() -> None:
    def users(word: str) -> set[str]:
        paths = (ROOT / "bot").rglob("*.py")
        return {p.name for p in paths if re.search(rf"(?<!def ){word}\(", p.read_text("utf-8"))}

    assert users("for_model") == {"reading.py"}
    assert users("ModelRequest") == {"agent_loop.py"}
    assert users(r"model\.turn") == {"agent_loop.py"}


async def test_no_word_of_a_limited_service_reaches_claude_by_any_tool(
    production: Production,
) -> None:
    answer, sent = await production.ask("what is wrong?")
    assert answer.mode == "claude"
    assert {e.tool for e in answer.evidence} >= {each.name for each in ALL}
    assert marks(sent, "shop") == {*SOURCES}
    assert [marks(sent, whose) for whose in ("cart", "vault", "ingress")] == [set()] * 3
    people_read = " ".join(each.summary for each in answer.evidence)
    assert [mark("log", whose) in people_read for whose in WHOSE] == [True] * 4
    told = "cart (texts), vault (everything), what belongs to no known service (everything)"
    assert f"model_data: kept from Claude: {told}" in answer.gaps


async def test_without_the_door_every_planted_word_reaches_claude(
    production: Production, no_door: None
) -> None:
    _, sent = await production.ask("what is wrong?")
    everywhere = set(SOURCES) - {"annotation"}  # only deployments have one
    assert [marks(sent, whose) >= everywhere for whose in WHOSE] == [True] * 4


@pytest.mark.parametrize("door", [True, False])
async def test_a_backend_that_fails_quotes_nobody_to_claude(
    production: Production, request: pytest.FixtureRequest, door: bool
) -> None:
    if not door:
        request.getfixturevalue("no_door")
    production.break_everything()
    wrapped = tool_use("query_promql", {"expression": QUERY})
    answer, sent = await production.ask("what is wrong?", Turn([SEARCH, wrapped]), Turn([DONE]))
    told = " ".join(answer.gaps)
    assert mark("error", "vault") in told
    assert mark("down", "vault") in told
    assert ("error" in marks(sent, "vault")) is not door
    assert mark("down", "vault") not in sent


async def test_what_is_wrong_with_a_question_is_told_to_claude_unless_it_is_about_a_closed_service(
    production: Production,
) -> None:
    wrong = [
        tool_use("query_promql", {"expression": "sum("}),
        tool_use("search_logs", {"service": "valut"}),
        tool_use("forecast_metric", {"metric": "nobodys", "service": "cart"}),
        tool_use("forecast_metric", {"metric": "closed", "service": "vault"}),
        tool_use("open_tickets", {"service": "valut"}),  # a team's own words may quote anybody
    ]
    _, sent = await production.ask("what is wrong?", Turn(wrong), Turn([DONE]))
    assert "does not parse" in sent
    assert "no service 'valut'" in sent
    assert "no metric 'nobodys'" in sent
    assert "no metric 'closed'" not in sent
    assert "error" not in marks(sent, "vault")


async def test_the_name_of_a_closed_services_object_is_not_told_as_the_nearest_one(
    production: Production,
) -> None:
    wrong = tool_use("kubernetes_get", {"kind": "cm", "name": "valt-settings"})
    answer, sent = await production.ask("what is wrong?", Turn([wrong]), Turn([DONE]))
    assert "Did you mean 'vault-settings'" in " ".join(each.summary for each in answer.evidence)
    assert "vault-settings" not in sent


async def test_claude_turns_the_pages_of_what_it_may_read(production: Production) -> None:
    asked = [
        tool_use("query_metric", {"metric": "order_errors", "service": "cart"}),
        tool_use("log_patterns", {"service": "vault"}),
        tool_use("list_metrics", {}),
        tool_use("service_map", {}),
        tool_use("open_tickets", {"service": "vault"}),
    ]

    def pages(request: Mapping[str, Any]) -> Turn:
        found = re.findall(r'<evidence id="(E\d+)" tool="(\w+)"', str(request["messages"][-1]))
        return Turn([tool_use("read_evidence", {"evidence_id": e}) for e, _ in found])

    _, sent = await production.ask("what is wrong?", Turn(asked), pages, Turn([DONE]))
    summaries, turned = production.model.requests[-2:]
    first, last = ("".join(map(str, r["messages"][-1]["content"])) for r in (summaries, turned))
    assert first.count("is kept from you: of vault nothing may be read") == 2
    assert ("name: cart" in first, "name: vault" in first) == (True, False)
    assert "missing_ratio: 0" in first
    assert ("points:" in first, "points:" in last) == (False, True)
    assert last.count("This result is kept from you") == 2, "the page is kept, and told"
    assert "description=Failed orders" in last
    assert [marks(sent, whose) for whose in ("cart", "vault")] == [set(), set()]


async def test_that_a_closed_service_is_abnormal_is_not_told_by_what_the_brief_looked_at(
    production: Production,
) -> None:
    production.metrics.series.clear()
    production.measure(QUERY, {"service": "vault"}, 0.1)
    answer, sent = await production.ask("what is wrong?", Turn([DONE]))
    asked = [each.arguments for each in answer.evidence]
    assert any(each.get("service") == "vault" for each in asked)
    assert any("vault" in str(each.get("text")) for each in asked)
    told = set(re.findall(r'<evidence id=\\"E\d+\\" tool=\\"(\w+)', sent))
    # those are asked whatever is abnormal
    assert told == {
        "detect_anomalies", "examine_metrics", "examine_objects", "list_alerts", "recent_changes",
        "log_patterns",  # of whose objects are unwell
    }  # fmt: skip
    assert any("vault (everything)" in gap for gap in answer.gaps)


async def test_a_number_of_a_closed_service_is_not_read_under_anothers_name(
    production: Production,
) -> None:
    production.metrics.series.clear()
    production.measure(QUERY, {"service": "shop"}, 0.1)
    shop, vault = {"service": "shop"}, {"service": "vault"}
    moved = f'label_replace({QUERY}, "service", "shop", "", "")'
    asked: tuple[tuple[str, dict[str, str], float], ...] = (
        (f"sum by (service) ({QUERY})", shop, 0.171717),
        (f"max by (service) ({QUERY})", vault, 0.272727),
        (f"sum({QUERY})", {}, 0.373737),
        (moved, shop, 0.474747),
    )
    for expression, labels, value in asked:
        production.measure(expression, labels, value)
    queries = [tool_use("query_promql", {"expression": expression}) for expression, _, _ in asked]
    await production.ask("how is it?", Turn(queries), Turn([DONE]))
    read = str(production.model.requests[-1]["messages"][-1])
    assert [str(value)[:6] in read for _, _, value in asked] == [True, False, False, False]


async def test_a_text_of_a_limited_service_is_not_read_under_anothers_name(
    production: Production,
) -> None:
    production.levels["vault"] = ModelData.FIGURES
    moved = f'label_replace({QUERY}, "service", "shop", "", "")'
    labels = {"service": "shop", "note": words("label", "cart")}
    production.measure(moved, labels, 0.424242)
    query = tool_use("query_promql", {"expression": moved})
    _, sent = await production.ask("how is it?", Turn([query]), Turn([DONE]))
    assert "0.42424" in sent
    assert "label" not in marks(sent, "cart")


async def test_what_was_read_under_laxer_settings_is_not_told_again(
    production: Production,
) -> None:
    production.levels = dict.fromkeys(LEVELS, ModelData.ALL)
    quoted = text(f"**It is {mark('log', 'cart')}.**\nConfidence: low")
    await production.ask("what is wrong?", Turn([SEARCH]), Turn([quoted]))
    _, again = await production.ask("and now?", Turn([DONE]))
    assert "what is wrong?" in again
    assert "log" in marks(again, "cart")
    production.levels["cart"] = ModelData.FIGURES
    _, sent = await production.ask("what else?", Turn([DONE]))
    assert marks(sent, "cart") == set()
    assert "what is wrong?" not in sent
    _, sent = await production.ask("and then?", Turn([DONE]))
    assert "what else?" in sent, "what was read under these settings is told again"


@pytest.mark.parametrize(
    "question", ["why do orders fail in vault and cart?", "Why: order_errors of vault is too high?"]
)
async def test_a_question_about_a_closed_service_is_answered_without_claude(
    production: Production, question: str
) -> None:
    answer, sent = await production.ask(question)
    assert (answer.mode, sent) == ("deterministic", "")
    assert any("model_data of vault is nothing" in gap for gap in answer.gaps)
    assert any(mark("log", "vault") in each.summary for each in answer.evidence)


async def test_where_nothing_is_limited_claude_reads_what_people_read(
    production: Production,
) -> None:
    production.levels = dict.fromkeys(LEVELS, ModelData.ALL)
    answer, _ = await production.ask("what is wrong?", Turn([SEARCH]), Turn([DONE]))
    said = "".join(json.dumps(each, ensure_ascii=False) for each in production.model.requests)
    for each in answer.evidence:
        first = for_model(each).split("\n")[1]  # of the brief the first lines, of a call all
        assert json.dumps(first, ensure_ascii=False)[1:-1] in said
    called = for_model(answer.evidence[-1])
    assert json.dumps(called, ensure_ascii=False)[1:-1] in said
