"""A figure a person could act on is released only when evidence holds it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.core.investigation.figures import (
    FigureIndex,
    Release,
    figures_in,
    split_sentences,
    times_in,
)
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from tools.world import Window

AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


def index_of(payload: Any = None, summary: str = "", window: Window | None = None) -> FigureIndex:
    index = FigureIndex()
    index.add(
        Evidence(EvidenceId("E1"), "query_metric", {}, summary, AT, window=window, payload=payload)
    )
    return index


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("p99 is 412 ms, usual 3.2 %", [(412.0, "ms"), (3.2, "%")]),
        ("it rose to 1,234.5 orders", [(1234.5, "")]),
        ("deviation of −5.2 σ", [(5.2, "σ")]),
        ("230.6 KiB, then 2.5 TiB", [(230.6, "KiB"), (2.5, "TiB")]),
        ("about 2.5 G requests", [(2.5, "G")]),
        ("PLAN-9c01d4 rolls v2.14.0 back [E12]", []),
        ("see E3 at https://grafana.example/d/42", []),
        ("pod order-api-7f9c5 restarted", []),
        ("1. first step", []),
        ("since 14:32 on 2026-11-20", []),
    ],
)
def test_figures_are_told_from_identifiers(sentence: str, found: list[tuple[float, str]]) -> None:
    assert [(f.value, f.unit) for f in figures_in(sentence)] == found


def test_clock_times_are_read_as_times() -> None:
    assert times_in("since 9:05, again at 14:32:10") == ["09:05", "14:32"]


@pytest.mark.parametrize(
    "sentence",
    [
        "it is 412 ms", "it is 0.412 s", "it is 41.2 %", "it is 0.41",
    ],
)  # fmt: skip
def test_a_value_is_traced_at_the_precision_and_unit_it_is_shown_in(sentence: str) -> None:
    assert index_of({"latest": 0.4121}).untraced(sentence) == []


@pytest.mark.parametrize(
    "sentence", ["it is 413 ms", "it is 0.43 s", "it is 412 σ", "41 %, 7 pods"]
)
def test_a_value_that_evidence_does_not_hold_is_untraced(sentence: str) -> None:
    assert index_of({"latest": 0.4121}).untraced(sentence) != []


def test_bytes_and_large_counts_are_traced_through_their_scales() -> None:
    index = index_of({"bytes": 245_000_000, "requests": 2_480_000_000, "orders": 12_300})
    assert index.untraced("233.7 MiB, 2.48 G requests and 12.3 k orders") == []


def test_times_are_traced_to_stamps_epochs_and_summaries() -> None:
    index = index_of(
        {"at": "2026-11-20T13:07:00Z", "points": [[AT.timestamp(), 1.0]]}, "until 15:30"
    )
    assert index.untraced("between 13:07 and 14:00, over at 15:30") == []
    assert index.untraced("since 13:08") == ["13:08"]


def test_the_length_of_the_window_may_be_named() -> None:
    index = index_of(window=Window.ending(AT, timedelta(hours=6)))
    assert index.untraced("over 6 h, that is 360 minutes") == []


def test_a_sentence_with_an_untraced_figure_is_withheld_and_the_others_are_not() -> None:
    release = Release(index_of({"latest": 0.412}))
    out = list(release.push("**Latency is 412 ms.** It will reach 999 ms soon. Stay ca"))
    out += release.push("lm.\nBye")
    out += release.flush()
    text = "".join(out)
    assert "412 ms" in text
    assert "999" not in text
    assert "Stay calm." in text
    assert text.endswith("Bye")
    assert release.withheld == ["999 ms"]


def test_chinese_sentences_are_judged_one_by_one() -> None:
    release = Release(index_of({"latest": 0.412}))
    text = "".join(
        [*release.push("**延迟为 412 ms。**将达到 999 ms。请保持冷静。"), *release.flush()]
    )
    assert text == "**延迟为 412 ms。**请保持冷静。"


def test_nothing_is_released_before_its_sentence_is_complete() -> None:
    release = Release(index_of({"latest": 0.412}))
    assert list(release.push("It is 41")) == []
    assert list(release.push("2 ms")) == []
    assert "".join(release.flush()) == "It is 412 ms"


def test_evidence_that_comes_later_counts_for_the_sentences_after_it() -> None:
    index = index_of()
    release = Release(index)
    assert "".join(release.push("It is 7 pods.\n")).strip() == ""
    index.add_text("7 pods")
    assert "".join(release.push("It is 7 pods.\n")) == "It is 7 pods.\n"


def test_splitting_loses_no_character() -> None:
    text = "One. Two!\nThree? 四。 five"
    assert "".join(split_sentences(text)) == text
