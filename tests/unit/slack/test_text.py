"""Foreign text can neither ping nor link out; messages stay within Slack's limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.locale import Texts
from bot.slack.blocks.text import (
    code,
    context,
    escape,
    fit,
    heard,
    link,
    ours,
    prose,
    section,
)

HOSTS = ("grafana.nova.example", "127.0.0.1:19090")


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("<!channel> wake up", "&lt;!channel&gt; wake up"),
        ("<@U123> did it", "&lt;@U123&gt; did it"),
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("@channel", "@\u2060channel"),
        ("<https://evil.example|click>", "&lt;https://evil.example|click&gt;"),
    ],
)
def test_foreign_text_cannot_ping_or_link_in_mrkdwn(foreign: str, shown: str) -> None:
    assert escape(foreign) == shown


@given(st.text())
def test_no_markup_of_slack_survives_escaping(text: str) -> None:
    safe = escape(text)
    assert "<" not in safe
    assert ">" not in safe
    assert "<" not in code(text)


def test_a_link_to_an_unknown_host_is_its_label() -> None:
    assert link("https://evil.example", "panel", HOSTS) == "panel"
    assert link("javascript:alert(1)", "panel", HOSTS) == "panel"
    good = link("https://grafana.nova.example/a?b=1&c=2", "a|b", HOSTS)
    assert good == "<https://grafana.nova.example/a?b=1&amp;c=2|a¦b>"


def test_people_that_core_names_stay_mentions_and_nothing_else_does() -> None:
    assert (
        ours("stopped by <@U0ALICE01>, <!channel>") == "stopped by <@U0ALICE01>, &lt;!channel&gt;"
    )


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("<@UBOT> why is latency up?", "why is latency up?"),
        ("<@UBOT>   ", ""),
        ("ask <@U1|alice> in <#C1|incidents>", "ask @alice in #incidents"),
        ("see <https://x.example|the page> &amp; <https://y.example>", "see the page & https://y.example"),
        ("<!here> a &lt; b", "@here a < b"),
        ("<!subteam^S1|@oncall> look", "@oncall look"),
    ],
)  # fmt: skip
def test_what_people_write_is_read_as_plain_text(written: str, plain: str) -> None:
    assert heard(written, "UBOT") == plain


def test_a_message_that_is_too_long_is_cut_with_a_note_and_keeps_its_buttons() -> None:
    texts = Texts("en")
    row = {"type": "actions", "elements": []}
    shown = fit([*(section(str(n)) for n in range(60)), row], texts)
    assert len(shown) <= 50
    assert row in shown
    assert "12 parts left out" in str(shown[-1])


def test_all_markdown_of_a_message_together_fits() -> None:
    shown = fit([prose("x" * 9000), prose("y" * 9000), prose("z" * 9000)], Texts("en"))
    total = sum(len(b["text"]) for b in shown if b["type"] == "markdown")
    assert total <= 12_000
    assert "left out" in str(shown[-1])


def test_a_section_never_exceeds_its_limit() -> None:
    assert len(section("a" * 5000)["text"]["text"]) == 3000
    assert len(context("b" * 5000)["elements"][0]["text"]) == 2000
