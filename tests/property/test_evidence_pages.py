"""However much a tool says, the model reads at most 4,000 tokens of it, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.investigation.recorder import Recorder, for_model
from bot.domain.secrets.redaction import Redactor
from tests.fakes.thread import FakeThread
from tests.fixtures.nouns import a_run
from tools import tokens
from tools.contract import Risk, Toolbox, ToolResult, tool
from tools.errors import NotFoundError
from tools.paging import PAGE_TOKENS, fitted, lines_of, page_of

SEEDS = st.sampled_from(
    [
        "order latency p99 rose to 812.4 ms at 2026-11-20T11:51:00Z",
        "订单延迟升高到八百毫秒，请检查撮合引擎的日志",
        "🔥🚨👩🏽‍💻 alarm",
        "f3a9c1d07be24e5ab8 0x7ffe 10.2.3.4:5432",
        "QUJDRGVmZ2hpamtsbW5vcA==",
        "a" * 2_000,
        "9" * 1_500,
        "﷽ﷺ ẞ ö é ñ   tab\tnul\x00bell\x07",
        "\x85\u2028\u2029\r\n\x0b",
        "",
    ]
)
TEXTS = st.builds(
    lambda lines, joint, times: joint.join(lines * times),
    st.lists(st.one_of(SEEDS, st.text(max_size=80)), min_size=1, max_size=5),
    st.sampled_from(["\n", " ", "\n\n", ", "]),
    st.integers(1, 30),
)
PAYLOADS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), SEEDS, st.text(max_size=40)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=12), st.dictionaries(st.text(max_size=12), inner, max_size=8)
    ),
    max_leaves=60,
)


@given(TEXTS, st.integers(1, 5_000))
@settings(max_examples=80, deadline=None)
def test_a_text_is_cut_within_its_budget_at_a_line_and_whole_together(
    text: str, budget: int
) -> None:
    kept, rest = tokens.fit(text, budget)
    assert tokens.estimate(kept) <= budget
    assert text in {kept + rest, f"{kept}\n{rest}"}
    if rest and "\n" in kept[1:]:
        assert text == f"{kept}\n{rest}"


@given(st.one_of(SEEDS, st.text()), PAYLOADS, st.sampled_from([300, PAGE_TOKENS]))
@settings(max_examples=60, deadline=None)
def test_the_pages_hold_every_line_once_and_each_fits(rest: str, payload: Any, budget: int) -> None:
    told = [*(rest.split("\n") if rest else ()), *lines_of(payload)]
    pages, number = [], 2
    while (page := page_of("summary", rest, payload, number, budget)) is not None:
        assert tokens.estimate(page.text) <= budget
        assert page.is_last == (page.last == page.lines)
        pages.append(page)
        number += 1
    assert "".join(p.text for p in pages).replace("\n", "") == "".join(told)
    assert [p.first for p in pages[1:]] == [p.last + 1 for p in pages[:-1]]
    assert not pages or pages[-1].is_last


@given(PAYLOADS, st.integers(0, 2_000))
@settings(max_examples=60, deadline=None)
def test_a_payload_is_kept_within_its_bytes(payload: Any, budget: int) -> None:
    kept, left_out = fitted(payload, budget)
    size = len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if isinstance(payload, dict | list):
        assert size <= 2 * budget + 4
    assert (left_out == 0) == (json.dumps(kept) == json.dumps(payload))
    whole, none = fitted(payload)
    assert none == 0
    assert json.dumps(whole) == json.dumps(payload)


@pytest.mark.parametrize(
    ("text", "least"),
    [
        ("the quick brown fox", 4),
        ("2026-11-20T11:51:00Z", 14),
        ("订单延迟", 4),
        ("🔥", 2),
        ("hello\nworld", 3),
        ("kubernetes_pod_container_status_restarts_total", 11),
    ],
)
def test_the_estimate_is_never_below_what_public_encoders_count(text: str, least: int) -> None:
    assert tokens.estimate(text) >= least


# ------------------------------------------------------------------- at the boundary of a call


@tool(risk=Risk.READ)
async def shout(size: int) -> ToolResult:
    """Say much.

    Args:
        size: How much.
    """
    return SAID[size]


SAID: list[ToolResult] = []


@given(TEXTS, PAYLOADS, st.booleans())
@settings(max_examples=40, deadline=None)
async def test_no_tool_brings_more_than_4000_tokens_to_the_model(
    text: str, payload: Any, fails: bool
) -> None:
    kept, run = FakeThread(), a_run()
    SAID[:] = [ToolResult(text, payload)]
    box: Any = Toolbox([shout], {})
    if fails:

        async def fail(name: str, arguments: object) -> None:
            raise NotFoundError(text)

        box.call = fail
    recorder = Recorder(kept, kept, box, Redactor(), run, kept)  # type: ignore[arg-type]
    called = await recorder.call("shout", {"size": 0})
    read = for_model(called.evidence)
    assert tokens.estimate(read) <= tokens.MOST_TOKENS
    assert all(tokens.estimate(gap) <= 200 for gap in recorder.gaps.values())
    if called.evidence.rest:
        assert 'read_evidence(evidence_id="E1", page=2)' in read
