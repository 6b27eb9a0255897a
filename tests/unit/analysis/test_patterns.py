"""Log lines become few templates; the new ones stand out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tools.analysis.patterns import burst, find_patterns, mask
from tools.world import LogLine

NOON = datetime(2026, 9, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def line(
    text: str, minutes: float = 0.0, level: str = "error", service: str = "order-api"
) -> LogLine:
    return LogLine(NOON + timedelta(minutes=minutes), service, text, level)


def test_numbers_ids_and_addresses_are_masked_and_words_are_kept() -> None:
    assert mask("timeout after 412ms id=7f3a-11 from 10.0.0.7:80") == (
        "timeout",
        "after",
        "<*>",
        "id=<*>",
        "from",
        "<*>",
    )
    assert mask("2026-09-21T12:00:00Z order filled") == ("order", "filled")
    assert mask("request deadbeefcafe failed") == ("request", "<*>", "failed")
    assert mask("") == ()


def test_lines_of_one_template_are_counted_together_with_first_and_last() -> None:
    lines = [
        line(f"deadline exceeded calling ledger after {i}ms request_id=r{i}", i) for i in range(30)
    ]
    lines += [line("cache warmed", 3, level="info", service="market-data")]
    first, second = find_patterns(reversed(lines))
    assert first.count == 30
    assert first.template == "deadline exceeded calling ledger after <*> request_id=<*>"
    assert (first.first_seen, first.last_seen) == (NOON, NOON + timedelta(minutes=29))
    assert first.services == ("order-api",)
    assert first.sample in {each.text for each in lines}
    assert second.count == 1


def test_a_word_that_varies_becomes_a_wildcard() -> None:
    users = ("alice", "bob", "carol")
    found = find_patterns(
        [line(f"order of customer {name} was rejected by risk") for name in users]
    )
    assert [pattern.template for pattern in found] == ["order of customer <*> was rejected by risk"]


def test_levels_and_different_sentences_are_not_mixed() -> None:
    found = find_patterns(
        [line("pool exhausted"), line("pool exhausted", level="info"), line("pool resized")]
    )
    assert sorted((p.level, p.count) for p in found) == [("error", 1), ("error", 1), ("info", 1)]


def test_a_new_template_bursts_and_an_old_one_at_its_rate_does_not() -> None:
    old = [line(f"retry {i} of upstream", i) for i in range(60)]
    new = [line(f"retry {i} of upstream", 60 + i) for i in range(10)]
    new += [line(f"db pool exhausted: waited {i}ms", 60 + i) for i in range(10)]
    found = burst(old, new, old_window=HOUR, new_window=timedelta(minutes=10))
    assert [each.pattern.template for each in found] == ["db pool exhausted: waited <*>"]
    assert found[0].is_new
    assert found[0].rate_per_minute == 1.0


def test_a_sharp_increase_bursts_and_harmless_levels_do_not() -> None:
    old = [line(f"timeout {i}", i) for i in range(6)]
    new = [line(f"timeout {i}", 60 + i / 10) for i in range(50)]
    new += [line(f"order {i} filled", 61, level="info") for i in range(500)]
    found = burst(old, new, old_window=HOUR, new_window=timedelta(minutes=10))
    assert len(found) == 1
    assert not found[0].is_new
    assert found[0].before_per_minute == 0.1
    assert burst([], [], old_window=HOUR, new_window=HOUR) == []


def test_a_level_that_nobody_knows_may_burst() -> None:
    new = [line(f"disk {i} is on fire", i / 10, level="ouch") for i in range(20)]
    (found,) = burst([], new, old_window=HOUR, new_window=HOUR)
    assert found.pattern.level == "ouch"
