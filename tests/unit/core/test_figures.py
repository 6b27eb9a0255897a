"""A figure is traced to the evidence cited for it and to its subject; otherwise it is marked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.core.investigation.figures.index import FigureIndex
from bot.core.investigation.figures.quantities import Dimension, Hedge, quantities_in
from bot.core.investigation.figures.release import Release, split_sentences
from bot.core.investigation.figures.rounding import fits
from bot.core.investigation.figures.sentence import Setting
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from tools.world import Window

AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
SETTING = Setting(frozenset({"checkout", "orders", "postgres"}), AT, "UTC")
MARK = " (not in the evidence)"
LATENCY = """\
checkout_latency_p99 (99th percentile; seconds), 2026-11-20T13:00Z to 2026-11-20T14:00Z, 15 s apart
- checkout: latest 648.6 ms; median 212 ms; min 180.2 ms at 2026-11-20T13:04Z; max 1.31 s at \
2026-11-20T13:38Z; latest is ×3.1 against the median of the hour before (208 ms); limit 500 ms"""
ERRORS = """\
2 of 40 series abnormal for all services at 2026-11-20T14:00:00Z
- CRITICAL error_rate of checkout: 6.5 %, expected 0.32 % (+31.0 σ), since 2026-11-20T13:21:13Z
- HIGH error_rate of orders: 2.6 %, expected 0.13 % (+9.0 σ), since 2026-11-20T13:27:13Z"""
LOGS = """\
1 new or bursting templates; 2000 lines in 3 templates
- BURST 20.4/min (NEW) 452x since 2026-11-20T13:21:34Z [checkout error] pool exhausted
- 258x [checkout warning] slow statement"""


def found(number: int, tool: str, summary: str, payload: Any = None) -> Evidence:
    window = Window.ending(AT, timedelta(hours=1))
    return Evidence(EvidenceId(f"E{number}"), tool, {}, summary, AT, window=window, payload=payload)


def an_index(question: str = "") -> FigureIndex:
    index = FigureIndex()
    index.add_text(question)
    index.add(found(1, "query_metric", LATENCY))
    index.add(found(2, "detect_anomalies", ERRORS))
    index.add(found(3, "log_patterns", LOGS))
    return index


def untraced(sentence: str, after: str = "", setting: Setting = SETTING) -> list[str]:
    return [each.text for each in an_index().untraced(sentence, after, setting)]


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("p99 is 412 ms, usual 3.2 %", [(0.412, Dimension.DURATION), (0.032, Dimension.SHARE)]),
        ("it rose to 1,234.5 orders", [(1234.5, Dimension.NUMBER)]),
        ("deviation of −5.2 σ", [(5.2, Dimension.SIGMA)]),
        ("230 KiB, then 5M", [(230 * 1024, Dimension.BYTES), (5e6, Dimension.NUMBER)]),
        ("PLAN-9c01d4 rolls v2.14.0 back [E12]", []),
        ("see E3 at https://grafana.example/d/42", []),
        ("pod order-api-7f9c5 restarted, p99 and 5xx", []),
        ("1. first step", []),
        ("since 14:32", [(52_320, Dimension.CLOCK)]),
        ("39 minutes ago, half an hour ago", [(2340, Dimension.AGO), (1800, Dimension.AGO)]),
        (
            "three times its own, twice, a third",
            [(3, Dimension.FACTOR), (2, Dimension.FACTOR), (1 / 3, Dimension.SHARE)],
        ),
        ("20 errors a minute, 300 rps", [(20 / 60, Dimension.RATE), (300, Dimension.RATE)]),
        (
            "39 分钟前，约 650 毫秒，翻了一倍",
            [(2340, Dimension.AGO), (0.65, Dimension.DURATION), (2, Dimension.FACTOR)],
        ),
    ],
)
def test_figures_are_read_with_their_units_and_told_from_identifiers(
    sentence: str, told: list[tuple[float, Dimension]]
) -> None:
    read = [(each.value, each.kind) for each in quantities_in(sentence)]
    assert [kind for _, kind in read] == [kind for _, kind in told]
    assert [value for value, _ in read] == pytest.approx([value for value, _ in told])


@pytest.mark.parametrize(
    ("told", "value", "is_honest"),
    [
        ("650 ms", 0.6486, True),
        ("about 650 ms", 0.6486, True),
        ("about 700 ms", 0.6486, False),
        ("640 ms", 0.6486, False),
        ("0.65 s", 0.6486, True),
        ("nearly 4,000", 3890, True),
        ("nearly 4,000", 4300, False),
        ("more than 4,000", 4300, True),
        ("more than 4,000", 3890, False),
        ("three times", 3.06, True),
        ("nine times", 5.4, False),
        ("a third", 0.35, True),
    ],
)
def test_honest_rounding_is_allowed_and_the_other_is_not(
    told: str, value: float, is_honest: bool
) -> None:
    (quantity,) = quantities_in(told)
    assert fits(quantity, value) is is_honest


def test_a_hedge_is_read_before_a_figure_and_behind_it() -> None:
    hedges = [
        each.hedge for each in quantities_in("about 5 s, nearly 6 s, over 7 s, 约 8 秒, 9 秒左右")
    ]
    assert hedges == [Hedge.ABOUT, Hedge.NEARLY, Hedge.OVER, Hedge.ABOUT, Hedge.ABOUT]


@pytest.mark.parametrize(
    "sentence",
    [
        "checkout's p99 is about 650 ms, three times its usual 212 ms [E1].",
        "The p99 of checkout peaked at 1.31 s at 13:38, 22 minutes ago [E1].",
        "It is some 150 ms above its limit of 500 ms [E1].",
        "checkout fails since 13:21, orders six minutes later [E2].",
        "checkout's error rate is 6.5 %, that of orders 2.6 % [E2].",
        "452 and 258 lines, together 710 [E3].",
        "About 20 errors a minute since 13:21 [E3].",
        "Two of 40 series are abnormal [E2].",
        "Latency rose from 208 ms to nearly 650 ms [E1].",
    ],
)
def test_what_the_cited_evidence_says_is_traced(sentence: str) -> None:
    assert untraced(sentence, "checkout is slow.") == []


@pytest.mark.parametrize(
    ("sentence", "marked"),
    [
        ("orders' p99 is about 650 ms [E1].", ["650 ms"]),
        ("The error rate of orders is 6.5 % [E2].", ["6.5 %"]),
        ("checkout's p99 is 648.6 s [E1].", ["648.6 s"]),
        ("The median is 648.6 ms [E1].", ["648.6 ms"]),
        ("checkout's p99 is at 650 ms [E2].", ["650 ms"]),
        ("checkout's CPU is at 6.5 % [E2].", ["6.5 %"]),
        ("Latency fell from 208 ms to 648.6 ms [E1].", ["208 ms", "648.6 ms"]),
        ("It is at 648.6 ms, below its limit of 500 ms [E1].", ["500 ms"]),
        ("checkout fails since 13:27 [E2].", ["13:27"]),
        ("checkout fails since 14:00 [E2].", ["14:00"]),
        ("It began 12 minutes ago [E2].", ["12 minutes ago"]),
        ("452 and 258 lines, together 810 [E3].", ["810"]),
        ("checkout's p99 is nine times its usual 212 ms [E1].", ["nine times"]),
        ("checkout logs 452 errors per minute [E3].", ["452 errors per minute"]),
        ("It reaches 7777 ms [E1].", ["7777 ms"]),
    ],
)
def test_what_it_does_not_say_of_that_subject_is_marked(sentence: str, marked: list[str]) -> None:
    assert untraced(sentence, "checkout is slow.") == marked


def test_times_are_those_of_the_place_where_they_are_read() -> None:
    there = Setting(SETTING.services, AT, "Asia/Shanghai")
    assert untraced("checkout fails since 21:21 [E2].", setting=there) == []
    assert untraced("checkout fails since 13:21 UTC [E2].", setting=there) == []
    assert untraced("checkout fails since 13:21 [E2].", setting=there) == ["13:21"]


def test_figures_of_the_question_may_be_repeated() -> None:
    index = an_index("why 37 orders since 13:15?")
    assert index.untraced("Of the 37 orders since 13:15 nothing is known.") == []
    assert [q.text for q in index.untraced("Of 38 orders nothing is known.")] == ["38"]


@pytest.mark.parametrize("sentence", ["it is 412 ms", "it is 0.412 s", "it is 41.2 %", "0.41 here"])
def test_a_row_of_a_result_is_traced_in_the_unit_it_is_shown_in(sentence: str) -> None:
    index = FigureIndex()
    index.add(found(1, "query_promql", "", {"series": [{"value": 0.4121}]}))
    assert index.untraced(sentence) == []
    assert index.untraced(sentence.replace("1", "7")) != []


def test_samples_that_the_model_never_read_prove_nothing() -> None:
    index = FigureIndex()
    index.add(found(1, "query_metric", "", {"points": [[AT.timestamp(), 77.7]]}))
    assert [q.text for q in index.untraced("it is 77.7 ms")] == ["77.7 ms"]


def test_an_untraced_figure_is_marked_and_its_sentence_stays() -> None:
    release = Release(an_index(), MARK, SETTING)
    out = list(release.push("**checkout's p99 is 650 ms.** It will reach 999 ms soon. Stay ca"))
    out += release.push("lm.\nBye")
    out += release.flush()
    assert "".join(out) == (
        "**checkout's p99 is 650 ms.** It will reach 999 ms (not in the evidence) soon. "
        "Stay calm.\nBye"
    )
    assert release.untraced == ["999 ms"]


def test_chinese_sentences_are_judged_one_by_one() -> None:
    release = Release(an_index(), "（证据中没有）", SETTING)
    prose = "**checkout 的延迟为约 650 毫秒。**将达到 999 毫秒。请保持冷静。"
    text = "".join([*release.push(prose), *release.flush()])
    assert text == "**checkout 的延迟为约 650 毫秒。**将达到 999 毫秒（证据中没有）。请保持冷静。"


def test_nothing_is_released_before_its_sentence_is_complete() -> None:
    release = Release(an_index(), MARK, SETTING)
    assert list(release.push("The p99 is 65")) == []
    assert list(release.push("0 ms")) == []
    assert "".join(release.flush()) == "The p99 is 650 ms"


def test_evidence_that_comes_later_counts_for_the_sentences_after_it() -> None:
    index = FigureIndex()
    release = Release(index, MARK)
    assert "".join(release.push("It is 7 pods.\n")) == f"It is 7{MARK} pods.\n"
    index.add(found(1, "describe_workload", "7 pods"))
    assert "".join(release.push("It is 7 pods.\n")) == "It is 7 pods.\n"


def test_a_secret_is_cut_before_a_mark_can_stand_in_its_middle() -> None:
    release = Release(FigureIndex(), MARK, clean=lambda text: text.replace("4111 1111", "[cut]"))
    assert "".join(release.push("card 4111 1111 was used\n")) == "card [cut] was used\n"


def test_splitting_loses_no_character() -> None:
    text = "One. Two!\nThree? 四。 five"
    assert "".join(split_sentences(text)) == text
