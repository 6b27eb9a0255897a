"""A chart is a PNG of the very series, whatever the series looks like."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bot.domain.chart import Band, ChartSpec, ForecastBand, Line, Marker, ShadedSpan, Threshold
from bot.slack.charts import BAD, render_chart, zone_of
from tools.units import format_value
from tools.world import Floats

START = 1_789_948_800.0
TIMES: Floats = np.arange(60, dtype=np.float64) * 60.0 + START


def at(index: int) -> datetime:
    return datetime.fromtimestamp(float(TIMES[index]), tz=UTC)


def spec() -> ChartSpec:
    values = np.full(60, 0.08)
    values[40:] = 0.45
    values[10:15] = np.nan
    return ChartSpec(
        title="order_latency_p99 · order-api",
        lines=(Line("order-api", TIMES, values),),
        subtitle="450 ms against 80 ms expected",
        unit="s",
        expected=Band(TIMES, np.full(60, 0.07), np.full(60, 0.09)),
        threshold=Threshold(0.25),
        spans=(ShadedSpan(at(40), at(59)),),
        markers=(Marker(at(38), "deploy order-api 2.14.0"), Marker(at(5), "scale gateway")),
        timezone="Asia/Shanghai",
    )


def pixels(png: bytes) -> npt.NDArray[np.int64]:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert image.size == (1200, 600)
    return np.asarray(image).astype(int)


def reddish(png: bytes) -> int:
    """Count pixels of the colour that marks what is anomalous."""
    wanted = np.array([int(BAD[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.abs(pixels(png) - wanted).max(axis=2) < 12).sum())


def test_an_anomaly_is_marked_and_a_calm_chart_is_not() -> None:
    assert reddish(render_chart(spec())) > 100
    assert reddish(render_chart(replace(spec(), spans=()))) == 0


def test_a_chart_survives_the_way_to_a_worker_and_is_the_same_every_time() -> None:
    copy = pickle.loads(pickle.dumps(spec()))  # noqa: S301 - our own bytes
    assert render_chart(copy) == render_chart(spec())


def test_the_background_is_light() -> None:
    assert pixels(render_chart(spec()))[5, 5].min() > 240


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (Line("empty", np.empty(0), np.empty(0)),),
        (Line("nothing known", TIMES, np.full(60, np.nan)),),
        (Line("one", TIMES[:1], np.array([3.0])),),
        (Line("zero", TIMES, np.zeros(60)),),
        (Line("huge", TIMES, np.linspace(-1e15, 1e15, 60)),),
        tuple(Line(f"s{i}", TIMES, np.full(60, float(i))) for i in range(12)),
    ],
)
def test_odd_series_still_give_a_chart(lines: tuple[Line, ...]) -> None:
    pixels(render_chart(ChartSpec("odd", lines)))


def test_chinese_and_signs_of_formulas_do_not_break_the_chart() -> None:
    ahead = TIMES + 3600
    values = np.full(60, 0.5)
    text = replace(
        spec(),
        title="风控引擎内存使用率 $x_1$ {risk} <b>",
        subtitle="预计 6 小时内超过阈值 " * 9,
        threshold=Threshold(0.9, "阈值"),
        forecast=ForecastBand(ahead, values, values - 0.1, values + 0.1, "预测"),
        timezone="Nowhere/Land",
    )
    pixels(render_chart(text))


def test_an_unknown_time_zone_is_shown_as_utc() -> None:
    assert zone_of("Nowhere/Land")[1] == "UTC"
    assert zone_of("../../etc/passwd")[1] == "UTC"
    assert zone_of("Asia/Shanghai")[1] == "Asia/Shanghai"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.412, "s", "412 ms"),
        (4.5, "s", "4.5 s"),
        (600, "s", "10 min"),
        (85, "ms", "85 ms"),
        (1500, "ms", "1.5 s"),
        (0.0512, "ratio", "5.12 %"),
        (97, "percent", "97 %"),
        (3 * 1024**3, "bytes", "3 GiB"),
        (1234, "req/s", "1,234 req/s"),
        (20_200, "req/s", "20.2 k req/s"),
        (0, "", "0"),
        (float("nan"), "s", "–"),
    ],
)
def test_values_read_as_people_write_them(value: float, unit: str, shown: str) -> None:
    assert format_value(value, unit) == shown
