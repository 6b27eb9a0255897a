"""No text, however hostile, takes more than linear time in what looks at foreign texts.

A text of 16,000 characters is given first; only one that takes long is compared with an eighth of
it: eight times the work for eight times the text is linear, sixty-four times is quadratic. Noise
would have to meet the longer text alone, three times in a row. Of PromQL 5,000 characters are read,
of a trigger 500, so that of these the longest counts that is read at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.investigation.figures.index import FigureIndex
from bot.core.investigation.figures.quantities import quantities_in
from bot.core.investigation.figures.release import Release
from bot.core.investigation.investigator import intent
from bot.core.reports import postmortem_text
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from bot.domain.secrets.redaction import Redactor
from bot.slack.blocks import markdown
from bot.slack.blocks import text as slack
from foundation import blanks
from knowledge.documents import parse_document
from playbooks import triggers
from playbooks.patterns import fits
from tools import tokens
from tools.analysis import log_headers, log_masks, log_templates
from tools.analysis.rca.log_facts import log_facts
from tools.analysis.symptoms import SeenPattern
from tools.backends import logql
from tools.errors import BadArgumentError
from tools.observe import asking, promql
from tools.world import Catalogue, ServiceName, Window

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NOTHING = Catalogue({}, {})
STEP = timedelta(minutes=1)
LONG, SHORT = 16_000, 2_000
QUICK = 0.02  # seconds in which no quadratic thing reads the long text
MOST = 30.0  # times as long: eight would be linear, sixty-four quadratic


def indexed(text: str) -> None:
    index = FigureIndex()
    index.add_text(text)
    index.add(Evidence(EvidenceId("E1"), "search_logs", {}, text, NOW, payload={"text": text}))
    index.untraced(text)


def released(text: str) -> None:
    release = Release(FigureIndex(), " (?)")
    for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
        list(release.push(piece))
    list(release.flush())


def versions(text: str) -> None:
    burst = SeenPattern(ServiceName("shop"), "x", text, 9, "error")
    log_facts([burst], {})


def promql_of(text: str) -> None:
    with suppress(BadArgumentError):
        promql.check(text[: promql.LONGEST], Window.ending(NOW, STEP), STEP)


def window(text: str) -> None:
    with suppress(BadArgumentError):
        asking.duration_of(text)


READERS: dict[str, Callable[[str], object]] = {
    "redaction": Redactor(["our-own-secret"]).text,
    "heard": slack.heard,
    "markdown": markdown.markdown,
    "escape": slack.escape,
    "code": slack.code,
    "ours": slack.ours,
    "called": slack.called,
    "blank": blanks.visible,
    "figures": quantities_in,
    "index": indexed,
    "release": released,
    "intent": lambda text: intent.parse(text, NOTHING, NOW),
    "mask": lambda text: log_masks.Masker().mask(text),
    "header": log_headers.kinds_of,
    "headers": lambda text: log_headers.learn([text, text]),
    "templates": lambda text: log_templates.merge([tuple(text.split()), ("a", "b")]),
    "line filter": logql.line_filter,
    "level": logql.normal_level,
    "tokens": lambda text: tokens.fit(text, 500),
    "slug": lambda text: postmortem_text.slug(text, "x"),
    "window": window,
    "promql": promql_of,
    "trigger": lambda text: triggers.parse(text[: triggers.LONGEST]),
    "versions": versions,
    "choice": lambda text: fits("[a-z]+(-[a-z0-9]+)*", text),
    "pattern": lambda text: fits(text[:500], text),
    "document": lambda text: parse_document(f"---\ntitle: a\n---\n{text}", "a.md"),
}
UNITS = (
    "a", "a ", "A. ", "1", "1.", "1,000 ", "12:00 ", "5 ms ", "5%", "-", "- ", "_", "a_", "a-",
    "A-1 ", "<", "<@U", "<!", "&lt;", "[", "[[", "](", "[a](", "(", "((", "{", "`", "```", "*",
    "**", "~", "http://", "http://a ", "http://a:b", "@here ", '"', "\\", '\\"', "=", "a=", "key=",
    ":", "::",
    "-a", "+a", "a-", "-(a)", "(a)+", "a^-", "a or ",
    "/", "/a", "|", "(a|", ".", "。", "密", "密码：", "é", "0x", "\t", "\n", "\n\n", "# ", "since ",
    "from 1 to ", "and ", "x > 1 and ", "rate(", "eyJabcdefgh.", "-----BEGIN " + "PRIVATE KEY-----",
    "password", "authorization: ", "curl -u ", "\u202e", "\u200b", "\x1b[31m",
)  # fmt: skip


def seconds(reader: Callable[[str], object], unit: str, length: int) -> float:
    """Return how much of a processor a reader takes; what it refuses it has read."""
    text = (unit * (length // len(unit) + 1))[:length]
    begun = time.thread_time()
    with suppress(ValueError):
        reader(text)
    return time.thread_time() - begun


def times_as_long(reader: Callable[[str], object], unit: str) -> float:
    """Return how often the time of the short text goes into that of the long one; 1 when quick."""
    long = seconds(reader, unit, LONG)
    if long < QUICK:
        return 1.0
    short = min(seconds(reader, unit, SHORT) for _ in range(3))
    return long / short


@pytest.mark.parametrize("name", READERS)
def test_eight_times_the_text_is_no_more_than_eight_times_the_work(name: str) -> None:
    reader = READERS[name]
    reader_is_warm = seconds(reader, "warm ", 50)
    assert reader_is_warm >= 0
    for unit in UNITS:
        ratios: list[float] = []
        while len(ratios) < 3 and (not ratios or ratios[-1] > MOST):
            ratios.append(times_as_long(reader, unit))
        assert min(ratios) <= MOST, f"{name} takes {ratios} times as long of {unit!r}"
