"""What a question is about: services, metrics, window and kind."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.investigation.investigator.intent import Kind, parse
from tests.fixtures.profile import trading_catalogue
from tools.world import Catalogue, MetricName, MetricRole, MetricSpec

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)  # a Friday


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return trading_catalogue()


@pytest.mark.parametrize(
    ("text", "metrics", "services"),
    [
        ("why is order latency up?", ("order_latency_p99",), ("order-api",)),
        ("why is order_latency_p99 up?", ("order_latency_p99",), ()),
        ("what is wrong with the matching engine", (), ("matching-engine",)),
        ("is order-api or the ledger slow?", (), ("order-api", "ledger")),
        ("订单延迟为什么升高", ("order_latency_p99",), ("order-api",)),
        ("is anything wrong?", (), ()),
    ],
)
def test_the_words_of_a_question_become_catalogue_names(
    catalogue: Catalogue, text: str, metrics: tuple[str, ...], services: tuple[str, ...]
) -> None:
    intent = parse(text, catalogue, NOW)
    assert intent.metrics == metrics
    assert intent.services == services


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("why is order latency up?", Kind.WHY),
        ("will memory of risk-engine run out tonight?", Kind.FORECAST),
        ("what changed in the last 2 hours?", Kind.CHANGES),
        ("has this happened before?", Kind.SIMILAR),
        ("最近部署了什么", Kind.CHANGES),
    ],
)
def test_the_kind_of_answer_is_read_from_the_question(
    catalogue: Catalogue, text: str, kind: Kind
) -> None:
    assert parse(text, catalogue, NOW).kind is kind


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("order latency in the last 15 minutes", "2026-11-20T14:15", "2026-11-20T14:30"),
        ("order latency over the past day", "2026-11-19T14:30", "2026-11-20T14:30"),
        ("最近3小时的订单延迟", "2026-11-20T11:30", "2026-11-20T14:30"),
        ("order latency since 13:05", "2026-11-20T13:05", "2026-11-20T14:30"),
        ("order latency since 22:00", "2026-11-19T22:00", "2026-11-20T14:30"),
        ("order latency around 09:00", "2026-11-20T08:00", "2026-11-20T10:00"),
        ("between 10:00 and 11:30, why?", "2026-11-20T10:00", "2026-11-20T11:30"),
        ("from 2014-03-14 03:31 to 2014-03-14 14:41", "2014-03-14T03:31", "2014-03-14T14:41"),
        ("on 2014-04-15 something broke", "2014-04-15T00:00", "2014-04-16T00:00"),
        ("between 2014-04-15 and 2014-04-16", "2014-04-15T00:00", "2014-04-17T00:00"),
        ("yesterday", "2026-11-19T00:00", "2026-11-20T00:00"),
        ("today", "2026-11-20T00:00", "2026-11-20T14:30"),
    ],
)
def test_a_window_is_read_as_a_person_means_it(
    catalogue: Catalogue, text: str, start: str, end: str
) -> None:
    intent = parse(text, catalogue, NOW)
    assert intent.explicit_window
    assert f"{intent.window.start:%Y-%m-%dT%H:%M}" == start
    assert f"{intent.window.end:%Y-%m-%dT%H:%M}" == end


def test_without_a_time_the_last_hour_is_meant_and_known_to_be_a_guess(
    catalogue: Catalogue,
) -> None:
    intent = parse("why is order latency up?", catalogue, NOW)
    assert not intent.explicit_window
    assert intent.window.end == NOW
    assert intent.window.duration == timedelta(hours=1)


def test_a_window_is_never_longer_than_thirty_days(catalogue: Catalogue) -> None:
    assert parse("last 52 weeks", catalogue, NOW).window.duration == timedelta(days=30)


def test_a_name_like_a_metric_that_is_none_is_kept_as_unknown(catalogue: Catalogue) -> None:
    intent = parse("why is order_latancy_p99 up, and `disk_queue`?", catalogue, NOW)
    assert intent.unknown == ("order_latancy_p99", "disk_queue")
    assert parse("why is order_latency_p99 up?", catalogue, NOW).unknown == ()


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        ("why is it slow?", ("p95",)),
        ("is the memory full?", ("heap",)),
        ("为什么延迟升高？", ("p95",)),
        ("is it well?", ()),
        ("why are there errors?", ()),  # four of them: the whole platform is looked at
    ],
)
def test_a_question_that_names_no_metric_may_name_what_any_platform_has(
    text: str, metrics: tuple[str, ...]
) -> None:
    roles = {
        "p95": (MetricRole.LATENCY, ""),
        "heap": (MetricRole.SATURATION, "memory"),
        **{f"failed_{n}": (MetricRole.ERRORS, "") for n in range(4)},
    }
    foreign = Catalogue(
        {
            MetricName(name): MetricSpec(
                MetricName(name), "x", "q", "s", "", role=role, resource=resource
            )
            for name, (role, resource) in roles.items()
        },
        {},
    )
    assert parse(text, foreign, NOW).metrics == metrics


@pytest.mark.parametrize(
    ("text", "strangers"),
    [
        ("why is radiology slow?", ("radiology",)),
        ("is radiology ok?", ("radiology",)),
        ("what is wrong with radiology?", ("radiology",)),
        ("why is it slow?", ()),
        ("why is everything slow?", ()),
        ("is anything wrong?", ()),
        ("why is latency up?", ()),
        ("why is order-api slow?", ()),
    ],
)
def test_a_name_that_nobody_has_is_a_stranger_and_not_the_whole_platform(
    catalogue: Catalogue, text: str, strangers: tuple[str, ...]
) -> None:
    intent = parse(text, catalogue, NOW)
    assert intent.strangers == strangers
    assert not (strangers and (intent.metrics or intent.services))
