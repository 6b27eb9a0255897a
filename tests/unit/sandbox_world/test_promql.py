"""PromQL on hand-made samples: the values one works out on paper."""

import numpy as np
import pytest

from sandbox.prometheus import evaluate
from sandbox.prometheus.errors import BadDataError, ExecutionError
from sandbox.prometheus.samples import NAME, STALE, RecordedSource, Series, labels_of
from sandbox.prometheus.values import Scalar, Text, Vector

MINUTE = 60_000


def _series(name: str, values: list[float], **labels: str) -> Series:
    times = np.arange(len(values), dtype=np.int64) * MINUTE
    return Series(labels_of([(NAME, name), *labels.items()]), times, np.array(values, dtype=float))


SOURCE = RecordedSource(
    [
        _series("hits", [0, 60, 120, 180, 240, 300], job="a", pod="1"),
        _series("hits", [0, 30, 60, 10, 40, 70], job="a", pod="2"),  # restarts at minute 3
        _series("hits", [5, 5, 5, 5, 5, 5], job="b", pod="3"),
        _series("heat", [10, 12, 11, 15, 14, 20], job="a"),
        _series("heat", [1, 2, 3, 4, 5, 6], job="b"),
        _series("lat_bucket", [0, 10, 20, 30, 40, 50], le="0.1"),
        _series("lat_bucket", [0, 90, 180, 270, 360, 450], le="0.5"),
        _series("lat_bucket", [0, 100, 200, 300, 400, 500], le="+Inf"),
        _series("gone", [1, 2, 3, float(STALE[0])], job="a"),
    ]
)


def at(query: str, minute: float = 5) -> dict[str, float]:
    """Evaluate at a minute; keys are the label values joined, name left out."""
    value = evaluate.instant(SOURCE, query, round(minute * MINUTE))
    assert isinstance(value, Vector)
    return {
        "/".join(text for name, text in labels if name != NAME): float(row[0])
        for labels, row in zip(value.labels, value.values, strict=True)
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('hits{job="b"}', {"b/3": 5}),
        ('hits{job!="b",pod=~"1|x"}', {"a/1": 300}),
        ('hits{pod!~"[12]"}', {"b/3": 5}),
        ("heat offset 2m", {"a": 15, "b": 4}),
        ("heat @ 60", {"a": 12, "b": 2}),
        ("rate(hits[5m])", {"a/1": 1.0, "a/2": 130 / 300, "b/3": 0.0}),
        ("increase(hits[5m])", {"a/1": 300.0, "a/2": 130.0, "b/3": 0.0}),
        ("irate(hits[5m])", {"a/1": 1.0, "a/2": 0.5, "b/3": 0.0}),
        ("delta(heat[5m])", {"a": 10.0, "b": 5.0}),
        ("idelta(heat[5m])", {"a": 6.0, "b": 1.0}),
        ("deriv(heat[5m]) * 60", {"a": 1.7142857142857142, "b": 1.0}),
        ('predict_linear(heat{job="b"}[5m], 120)', {"b": 8.0}),
        ("resets(hits[5m])", {"a/1": 0, "a/2": 1, "b/3": 0}),
        ("changes(heat[5m])", {"a": 5, "b": 5}),
        ("avg_over_time(heat[5m])", {"a": 82 / 6, "b": 3.5}),
        ("min_over_time(heat[2m])", {"a": 14, "b": 4}),
        ("max_over_time(heat[5m])", {"a": 20, "b": 6}),
        ("sum_over_time(heat[1m])", {"a": 34, "b": 11}),
        ("count_over_time(heat[3m])", {"a": 4, "b": 4}),
        ("quantile_over_time(0.5, heat[5m])", {"a": 13, "b": 3.5}),
        ('stddev_over_time(heat{job="b"}[5m])', {"b": 1.707825127659933}),
        ("last_over_time(heat[5m])", {"a": 20, "b": 6}),
        ("present_over_time(heat[5m])", {"a": 1, "b": 1}),
        ("sum(hits)", {"": 375}),
        ("sum by (job) (hits)", {"a": 370, "b": 5}),
        ("avg without (pod) (hits)", {"a": 185, "b": 5}),
        ("min(hits)", {"": 5}),
        ("max(hits)", {"": 300}),
        ("count by (job) (hits)", {"a": 2, "b": 1}),
        ("stddev(heat)", {"": 7}),
        ("topk(1, hits)", {"a/1": 300}),
        ("bottomk(1, hits)", {"b/3": 5}),
        ("quantile(0.5, hits)", {"": 70}),
        ('count_values("v", hits)', {"300": 1, "70": 1, "5": 1}),
        ("group(hits)", {"": 1}),
        ("histogram_quantile(0.5, lat_bucket)", {"": 0.1 + 0.4 * 200 / 400}),
        ("histogram_quantile(0.99, lat_bucket)", {"": 0.5}),
        ('label_replace(heat, "team", "$1!", "job", "(.)")', {"a/a!": 20, "b/b!": 6}),
        ('label_join(heat, "both", "-", "job", "job")', {"a-a/a": 20, "b-b/b": 6}),
        ("abs(heat - 10)", {"a": 10, "b": 4}),
        ("ceil(heat / 4) + floor(heat / 4)", {"a": 10, "b": 3}),
        ("clamp(heat, 7, 15)", {"a": 15, "b": 7}),
        ("clamp_min(heat, 7)", {"a": 20, "b": 7}),
        ("clamp_max(heat, 7)", {"a": 7, "b": 6}),
        ("round(heat / 7, 0.5)", {"a": 3, "b": 1}),
        ("sqrt(heat * heat)", {"a": 20, "b": 6}),
        ("sgn(heat - 10)", {"a": 1, "b": -1}),
        ("ln(exp(heat))", {"a": 20, "b": 6}),
        ("log2(heat * 0 + 8) + log10(heat * 0 + 100)", {"a": 5, "b": 5}),
        ("timestamp(heat)", {"a": 300, "b": 300}),
        ("vector(time())", {"": 300}),
        ('absent(heat{job="z"})', {"z": 1}),
        ("absent(heat)", {}),
        ("sort_desc(heat)", {"a": 20, "b": 6}),
        ("heat > 10", {"a": 20}),
        ("heat > bool 10", {"a": 1, "b": 0}),
        ("10 < heat", {"a": 20}),
        ("-heat", {"a": -20, "b": -6}),
        ("heat % 7 ^ 1", {"a": 6, "b": 6}),
        ("heat / on (job) group_right sum by (job) (heat)", {"a": 1, "b": 1}),
        ("hits / on (job) group_left heat", {"a/1": 15, "a/2": 3.5, "b/3": 5 / 6}),
        ("hits - ignoring (pod) group_left heat", {"a/1": 280, "a/2": 50, "b/3": -1}),
        ('hits and on (job) heat{job="b"}', {"b/3": 5}),
        ('hits unless on (job) heat{job="a"}', {"b/3": 5}),
        ('heat{job="a"} or heat', {"a": 20, "b": 6}),
        ("max_over_time(heat[5m:1m])", {"a": 20, "b": 6}),
        ("max_over_time(rate(hits[2m])[3m:1m])", {"a/1": 1.0, "a/2": 0.5, "b/3": 0.0}),
        ("vector(scalar(sum(heat)))", {"": 26}),
    ],
)  # fmt: skip
def test_an_expression_gives_what_paper_says(query: str, expected: dict[str, float]) -> None:
    assert at(query) == pytest.approx(expected)


def test_rate_extrapolates_at_most_half_a_distance_beyond_the_samples() -> None:
    value = at('increase(hits{pod="1"}[4m])', 4.5)
    assert value == pytest.approx({"a/1": 180 * (180 + 30 + 30) / 180})


def test_a_sample_counts_for_five_minutes_and_no_longer() -> None:
    assert at("heat", 10) == {"a": 20, "b": 6}
    assert at("heat", 10.01) == {}


def test_a_stale_marker_ends_a_series_at_once() -> None:
    assert at("gone", 2.5) == {"a": 3}
    assert at("gone", 3.5) == {}
    assert at("count_over_time(gone[5m])") == {"a": 3}


def test_a_missing_sample_is_no_nan() -> None:
    assert np.isnan(at("heat / 0 * 0")["a"])
    assert at("heat > 100") == {}


def test_steps_are_evaluated_as_one_instant_each() -> None:
    for query in ("rate(hits[3m])", "topk(1, heat)", "hits / on (job) group_left heat"):
        together = evaluate.over(SOURCE, query, 2 * MINUTE, 5 * MINUTE, MINUTE // 2)
        assert isinstance(together, Vector)
        for step in range(7):
            alone = at(query, 2 + step / 2)
            present = together.present[:, step]
            assert sorted(together.values[present, step]) == pytest.approx(sorted(alone.values()))


def test_literals_are_values_too() -> None:
    number, words = evaluate.instant(SOURCE, "1 + 2 * 3", 0), evaluate.instant(SOURCE, '"x"', 0)
    assert isinstance(number, Scalar)
    assert number.values[0] == 7
    assert words == Text("x")


@pytest.mark.parametrize(
    ("query", "kind", "message"),
    [
        ("sum(", BadDataError, "parse error"),
        ("nothing_like_it(heat)", BadDataError, "nothing_like_it"),
        ("mad_over_time(heat[5m])", BadDataError, 'unknown function with name "mad_over_time"'),
        ("hits / on (job) heat", ExecutionError, "many-to-one matching must be explicit"),
        ("heat / on (job) hits", ExecutionError, "found duplicate series for the match group"),
        ('label_replace(hits, "pod", "", "pod", ".*")', ExecutionError, "same labelset"),
        ('label_replace(hits, "0x", "", "pod", ".*")', ExecutionError, "invalid destination label"),
        ('{__name__=~"hits|heat"} * 1', None, ""),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(
    query: str, kind: type[Exception] | None, message: str
) -> None:
    if kind is None:
        assert at(query)
        return
    with pytest.raises(kind, match=message.replace("(", r"\(")):
        evaluate.instant(SOURCE, query, 5 * MINUTE)
