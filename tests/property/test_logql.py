"""Whatever a person writes stays a literal: the query keeps its shape, read by another parser."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.loki.logql import LogQuery, parse
from sandbox.prometheus.samples import Matcher
from sandbox.tempo.calls import Span
from sandbox.tempo.traceql import TraceQLError
from sandbox.tempo.traceql import parse as parse_traceql
from tools.backends.logql import line_filter, selector, trace_filters
from tools.backends.tempo import traceql

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
NASTY = st.lists(
    st.sampled_from([
        '"', "`", "\\", "\n", "\r", "\t", "\0", "{", "}", "|=", "|~", " or ", "(?i)", ".*", "[",
        "\\E", "\\Q", "\u2028", "订单", "🧨", "ß", "\x7f", "\u200b", "a", "$", "#", "%",
    ]),
    max_size=12,
).map("".join)  # fmt: skip
WORDS = st.one_of(ANY, NASTY)


@given(service=WORDS, text=WORDS, trace=WORDS)
@example(service='x"} or {a="', text='"} |~ "', trace='` or 1=1 or a="')
@example(service="a", text="\\", trace="\\")
def test_no_text_changes_the_query_around_it(service: str, text: str, trace: str) -> None:
    streams = selector("service", "level", service=service or "a", level="")
    for way in trace_filters(trace):
        query = parse(streams + way + line_filter(text))
        assert isinstance(query, LogQuery)
        assert query.matchers == (Matcher("service", "=", service or "a"),)
        assert len(query.stages) == bool(trace) + bool(text)
        labels = {"trace_id": trace}
        assert query.passes(f"before {trace} between {text} after", labels)


@given(text=NASTY.filter(bool))
def test_a_literal_finds_itself_and_nothing_that_lacks_it(text: str) -> None:
    query = parse('{service="a"}' + line_filter(text))
    assert isinstance(query, LogQuery)
    assert query.passes(f"so {text} it is", {})
    assert not query.passes("nothing of the kind, zzz" if "zzz" not in text else "no", {})


@given(level=WORDS)
def test_an_unknown_level_is_a_literal_too(level: str) -> None:
    query = parse(selector("service", "level", service="a", level=level))
    assert isinstance(query, LogQuery)
    assert len(query.matchers) == 1 + bool(level)
    assert not query.stages


def test_half_a_character_cannot_be_sent_and_breaks_nothing() -> None:
    query = parse('{service="a"}' + line_filter("x\ud800y"))
    assert isinstance(query, LogQuery)
    assert query.passes("x?y", {})


@given(service=WORDS)
@example(service='" } || { ""="')
def test_a_service_name_stays_a_literal_in_traceql(service: str) -> None:
    from datetime import timedelta

    query = parse_traceql(traceql(service, timedelta(milliseconds=300), errors_only=True))
    assert len(query.conditions) == 3
    assert query.accepts(Span("1", "", service, "n", "k", 0.0, 0.3, "failed"))
    assert not query.accepts(Span("1", "", service + "x", "n", "k", 0.0, 0.3, "failed"))


def test_a_regular_expression_in_traceql_is_read_as_in_logql() -> None:
    dotted = Span("1", "", "order.api", "n", "k", 0.0, 0.3)
    dashed = Span("1", "", "order-api", "n", "k", 0.0, 0.3)
    query = parse_traceql(r'{ resource.service.name =~ "order\\.a.i" }')
    assert (query.accepts(dotted), query.accepts(dashed)) == (True, False)
    query = parse_traceql(r'{ resource.service.name =~ "order\.a.i" }')  # \. is no escape: a dot
    assert (query.accepts(dotted), query.accepts(dashed)) == (True, True)
    with pytest.raises(TraceQLError, match=r"col 11: syntax error: invalid regular expression"):
        parse_traceql('{ name =~ "(" }')
