"""Markdown of others leads to known hosts only, pings nobody, hides nothing, and stays readable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from bot.core.investigation.figures.release import split_sentences
from bot.slack.blocks.markdown import BREAK, DEEPEST, LONGEST, going_on, markdown, whole
from bot.slack.blocks.text import code, escape, header
from foundation.hidden import readable

HOSTS = ("grafana.nova.example", "127.0.0.1:19090")
GOOD, EVIL = "https://grafana.nova.example/d/1", "https://evil.example/d/1"
JUDGE = MarkdownIt("commonmark").enable("table")  # with definitions and HTML, unlike ours
ADDRESS = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]*://|www\.)[^\s<>`]+")
LEADS_AWAY = re.compile(r"(?i)[^/]*//[^/]*evil|www\.evil|[a-gi-z]+:")
PIECES = (
    "[", "]", "(", ")", "<", ">", "!", "`", "```", "\\", "\n", "\n\n", " ", "a", "*", "**", "_",
    "- ", "> ", "# ", "1. ", ":", "|", "&#91;", "&lt;", "&", "#104;", "'t'", "[a]", "](", "[1]: ",
    "@here", EVIL, GOOD, "ttps://evil.example", "h", "HTTPS://EVIL.example", "javascript:a",
    "//evil.example", "www.evil.example", "<!here>", "<@U1>", "\u202e", "\u200b", BREAK,
    "\x1b[31m", "~~", "\t", "    ", ". ", "。", ".\n",
)  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=14)


def leads_to(shown: str) -> Iterator[str]:
    """Yield where links of Markdown lead, and every address that stands in its text."""
    for node in SyntaxTreeNode(JUDGE.parse(shown)).walk():
        if node.type in {"link", "image"}:
            yield str(node.attrs.get("href") or node.attrs.get("src"))
        if node.type == "text":
            yield from (each.rstrip(".,;:!?)]}*_~") for each in ADDRESS.findall(node.content))
        assert not node.type.startswith("html")


def is_harmless(shown: str) -> bool:
    return not any(LEADS_AWAY.match(each) for each in leads_to(shown))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"see [panel]({GOOD})", f"see [panel]({GOOD})"),
        (f"see [**panel**](<{GOOD}> 'title')", f"see [**panel**]({GOOD})"),
        (f"see <{GOOD}>.", f"see {GOOD}."),
        ("at http://127.0.0.1:19090/graph now", "at http://127.0.0.1:19090/graph now"),
        (f"see [panel]({EVIL})", f"see panel (`{EVIL}`)"),
        (f"see [[panel]]({EVIL})", f"see [panel] (`{EVIL}`)"),
        (f"[a]({EVIL} 'b')", f"a (`{EVIL}`)"),
        (f"[a](<{EVIL}>)", f"a (`{EVIL}`)"),
        (f"[a\nb]({EVIL})", f"a\nb (`{EVIL}`)"),
        (f"[a\\](b]({EVIL})", f"a]{BREAK}(b (`{EVIL}`)"),
        (f"![a]({EVIL})", f"a (`{EVIL}`)"),
        (f"<{EVIL}>", f"`{EVIL}`"),
        (f"<{EVIL}|a>", f"`{EVIL}|a` (`{EVIL}%7Ca`)"),
        (f"a ({EVIL}).", f"a (`{EVIL}`)."),
        ("HTTPS://EVIL.example/", "`HTTPS://EVIL.example/`"),
        ("www.evil.example", "`www.evil.example`"),
        ("ftp://evil.example", "`ftp://evil.example`"),
        ("[a](javascript:alert(1))", f"[a]{BREAK}(javascript:alert(1))"),
        ("[a](mailto:a@b.c)", "a (`mailto:a@b.c`)"),
        (f"[a][b]\n\n[b]: {EVIL}", f"[a]{BREAK}[b]\n\n[b]{BREAK}: `{EVIL}`"),
        (f"<a href='{EVIL}'>a</a>", f"<{BREAK}a href='`{EVIL}`'>a<{BREAK}/a>"),
        ("&#104;ttps://evil.example", "`https://evil.example`"),
        ("&amp;#104;ttps://evil.example", f"&{BREAK}#104;`ttps://evil.example`"),
        ("https://grafana.nova.example@evil.example", "`https://grafana.nova.example@evil.example`"),
        ("https://evil.example\\@grafana.nova.example", "`https://evil.example@grafana.nova.example`"),
        ("https://grafana.nova。example", "`https://grafana.nova。example`"),
        ("`https://evil.example`", "`https://evil.example`"),
        (f"```\ncurl {EVIL} [a]({EVIL})\n```", f"```\ncurl {EVIL} [a]({EVIL})\n```"),
        ("<!here> and @everyone, `<@U1>`", f"<{BREAK}!here> and @{BREAK}everyone, `<{BREAK}@U1>`"),
        ("(https://evil.example)", "(`https://evil.example`)"),
    ],
)  # fmt: skip
def test_markdown_links_lead_to_known_hosts_only(text: str, shown: str) -> None:
    assert markdown(text, HOSTS) == shown
    assert is_harmless(markdown(text, HOSTS))


def streamed(text: str, sent: list[bool]) -> str:
    """Return what stands in Slack when text came sentence by sentence, and some were sent alone."""
    shown, buffer = "", ""
    for sentence, alone in zip_longest(split_sentences(text), sent, fillvalue=True):
        buffer += sentence if isinstance(sentence, str) else ""
        if alone:
            ready, buffer = whole(buffer)
            shown += going_on(ready, shown, HOSTS)
    return shown + going_on(buffer, shown, HOSTS)


@given(texts, st.lists(st.booleans(), max_size=6))
@example([f"see [a]. ({EVIL}"], [])
@example(["so `.", f" x `[a]({EVIL})`"], [])
@example([f"见 {EVIL}。`a`"], [])
@example(["a <.", "!here> <", "\n", f"{EVIL}>"], [])
def test_no_text_leads_anywhere_else_however_a_stream_is_cut(
    pieces: list[str], sent: list[bool]
) -> None:
    text = "".join(pieces)
    assert is_harmless(markdown(text, HOSTS))
    assert is_harmless(streamed(text, sent))


@given(texts)
def test_no_ping_survives_in_markdown(pieces: list[str]) -> None:
    shown = markdown("".join(pieces), HOSTS)
    assert not re.search("<[!@#]", shown)
    said = [n.content for n in SyntaxTreeNode(JUDGE.parse(shown)).walk() if n.type == "text"]
    assert not any(re.search(r"(?<!\S)@here\b", each) for each in said)


@pytest.mark.parametrize(
    "text",
    [
        "**Bold:** p99 480 ms [E2]\n- one\n- two\n  - sub\n\n1. x\n2. y\n",
        "line one\nline two: 5 * 3 * 2 # x\n\n# H\n\n> q\n> r\n",
        "> a\n> - b\n>   c\n\n---\n\n~~s~~ ~3 s, order_latency_p99 _a_",
        "1. a\n\n   b\n2. c\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        "```python\nx = [a](b)\n```\nthen `kubectl get pods -o json` 👩\u200d💻 مرحبا 你好",
        " and so it goes on. ", "\n\n", "",
    ],
)  # fmt: skip
def test_what_is_harmless_stays_as_it_was_written(text: str) -> None:
    assert markdown(text, HOSTS) == text


@given(st.text(alphabet="ab 12.\n#*_~-<>[]()!`|&;\\\\:", max_size=60))
def test_no_letter_is_lost(text: str) -> None:
    kept = re.sub("[^ab12]", "", text)
    assert re.sub("[^ab12]", "", markdown(text, HOSTS)) == kept


def test_what_lies_too_deep_for_the_parser_is_shown_as_text() -> None:
    deep = "> " * (DEEPEST * 3) + f"hello [a]({EVIL})"
    assert "hello" in markdown(deep)
    assert is_harmless(markdown(deep))


def test_no_more_is_read_than_a_message_could_hold() -> None:
    shown = markdown("word " * 100_000)
    assert len(shown) == LONGEST
    assert shown.endswith("…")


def test_what_hides_or_turns_other_text_is_taken_out_and_what_is_written_stays() -> None:
    hidden = (
        "safe\u202egpj.exe\u2066\u200b\ufeff\u2060 \x1b[31mred\x1b[0m\x07\x00 \x1b]0;title\x07!"
    )
    assert readable(hidden) == "safegpj.exe red !"
    assert readable("a\r\nb\rc\td") == "a\nb\nc\td"
    assert escape(hidden) == "safegpj.exe red !"
    assert code("\u202ea") == "`a`"
    assert header("\u202ea")["text"]["text"] == "a"
    assert readable("👩\u200d💻 مرحبا שלום 你好 é ﷽") == "👩\u200d💻 مرحبا שלום 你好 é ﷽"


@pytest.mark.parametrize(
    ("text", "shown", "waits"),
    [
        ("a\nb", "a\nb", ""),
        ("a\n```sh\nx\n", "a\n", "```sh\nx\n"),
        ("a\n```sh\nx\n```\nb", "a\n```sh\nx\n```\nb", ""),
        ("- ```\n  x\n", "", "- ```\n  x\n"),
        ("a\nsee `kubectl get", "a\n", "see `kubectl get"),
        ("see `kubectl`", "see `kubectl`", ""),
    ],
)
def test_code_waits_in_a_stream_until_it_is_whole(text: str, shown: str, waits: str) -> None:
    assert whole(text) == (shown, waits)
