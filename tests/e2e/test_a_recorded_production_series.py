"""Recorded production series in a real Prometheus: the bot is asked, its figures are checked.

    recordings --promtool--> Prometheus <--- bot: no Slack, Loki, Kubernetes or Claude
                                  ^--------- the test: plain HTTP, its own arithmetic

Every figure of an answer must be a stored sample or a simple statistic of stored samples that the
test works out itself; what it works out is all that its index holds.
"""

from __future__ import annotations

import asyncio
import io
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bot.composition.parts import open_parts
from bot.composition.terminal import terminal_desk
from bot.core.investigation.figures.index import FigureIndex
from bot.domain.answer import Answer, Conclusion, Evidence
from bot.domain.ids import EvidenceId
from bot.domain.place import TERMINAL
from bot.domain.question import Question
from bot.settings import load_settings
from tests.architecture.source import ROOT
from tests.e2e.real_prometheus import RealPrometheus, real_prometheus
from tests.fakes.reply import KeptReply
from tests.patience import PATIENCE
from tests.recorded import KINDS, Recording, openmetrics, recordings

pytestmark = [pytest.mark.needs_prometheus, pytest.mark.slow]

RECORDINGS = recordings()
METRICS = [each.metric for each in RECORDINGS]
AROUND = timedelta(hours=6)  # asked before and after the labelled window
CALIBRATION = timedelta(days=3)  # of the scan
DAY, STEP = 86_400, 300
MAD_TO_SIGMA = 1.4826
STALE = 600  # seconds a sample of the recordings stands for: the [10m] of the catalogue's queries


def query_of(each: Recording) -> str:
    return f"max by (service) (last_over_time({each.metric}[{STALE}s]))"


# ------------------------------------------------------------------------------- the answers


@dataclass(frozen=True)
class Told:
    """One question's answer with its chart."""

    window: tuple[datetime, datetime]
    answer: Answer
    png: bytes

    def payload(self, tool: str) -> Any:
        (found,) = [e.payload for e in self.answer.evidence if e.tool == tool]
        return found


@dataclass(frozen=True)
class Session:
    """What all tests of this file look at."""

    prometheus: RealPrometheus
    environment: dict[str, str]
    unusual: dict[str, Told]
    quiet: dict[str, Told]
    unknown: Told


def environment_of(folder: Path, url: str) -> dict[str, str]:
    """Write a small catalogue and configuration; return the environment that names them."""
    metrics = {
        each.metric: {
            "query": query_of(each),
            "unit": each.unit,
            "description": each.description,
            "bad_direction": "both",
        }
        for each in RECORDINGS
    }
    files = {
        "metrics": {"recorded": metrics},
        "services": {each.service: {"namespace": "production"} for each in RECORDINGS},
        "rca_rules": [],
    }
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    paths = {name: str(folder / f"{name}.yaml") for name in files}
    config = {"prometheus": {"url": "${PROMETHEUS_URL}"}, "paths": {**paths, "playbooks": []}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return {
        "SRE_AGENT_CONFIG": str(folder / "config.yaml"),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/var/sre-agent.db",
        "KNOWLEDGE_URI": str(folder / "var" / "knowledge"),
        "PROMETHEUS_URL": url,
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(folder / "var" / "audit.anchor"),
    }


def question(metric: str, window: tuple[datetime, datetime]) -> str:
    start, end = window
    return f"why was {metric} unusual between {start:%Y-%m-%d %H:%M} and {end:%Y-%m-%d %H:%M}?"


async def ask_all(environment: dict[str, str], prometheus: RealPrometheus) -> Session:
    settings = load_settings(environment)
    async with open_parts(settings) as parts, AsyncExitStack() as stack:
        desk = terminal_desk(parts, stack)

        async def ask(text: str, window: tuple[datetime, datetime]) -> Told:
            asked, reply = Question(text, TERMINAL, "terminal"), KeptReply()
            run = await desk.open(asked)
            assert run is not None
            answer = await desk.answer(run, reply)
            assert answer is not None
            assert reply.failure == ""
            png = b""
            if answer.chart:
                async with parts.store.begin() as tx:
                    png, _ = await tx.charts.get(answer.chart)
            return Told(window, answer, png)

        unusual, quiet = {}, {}
        for each in RECORDINGS:
            wide = (each.labelled[0] - AROUND, each.labelled[1] + AROUND)
            unusual[each.metric] = await ask(question(each.metric, wide), wide)
            quiet[each.metric] = await ask(question(each.metric, each.quiet), each.quiet)
        now = datetime.now(UTC)
        unknown = await ask("why is request_latancy up?", (now, now))
    return Session(prometheus, environment, unusual, quiet, unknown)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("recorded")
    with real_prometheus(folder / "prometheus", openmetrics(RECORDINGS)) as prometheus:
        environment = environment_of(folder, prometheus.url)
        yield asyncio.run(ask_all(environment, prometheus))


@pytest.fixture(params=RECORDINGS, ids=METRICS)
def recording(request: pytest.FixtureRequest) -> Recording:
    found: Recording = request.param
    return found


# ------------------------------------------------------------------------------- own arithmetic


def usual(samples: dict[float, float], start: float, peak: float) -> float:
    """Return what was usual: the median of the same clock times before, else of half a day."""
    same_clock = [v for d in range(1, 8) if peak - d * DAY < start
                  and (v := samples.get(peak - d * DAY)) is not None]  # fmt: skip
    if len(same_clock) >= 3:
        return statistics.median(same_clock)
    before = [value for at, value in sorted(samples.items()) if at < start]
    return statistics.median(before[-DAY // 2 // STEP :])


def least_spread(samples: dict[float, float], start: float) -> float:
    """Return the smaller robust σ of the past: of the values, and of their change in a day."""
    before = np.array([value for at, value in sorted(samples.items()) if at < start])
    lag = DAY // STEP
    moves = (before[lag:] - before[:-lag]) / np.sqrt(2)
    return min(float(MAD_TO_SIGMA * np.median(np.abs(v - np.median(v)))) for v in (before, moves))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def is_stored(raw: Sequence[tuple[float, float]], at: float, value: float) -> bool:
    """Whether a value at a time is a stored sample that was then the newest."""
    seen = [v for t, v in raw if at - STALE < t <= at]
    return bool(seen) and abs(seen[-1] - value) <= 1e-9 * max(1.0, abs(value))


def grid_of(session: Session, told: Told, each: Recording) -> dict[float, float]:
    start, end = told.window
    return session.prometheus.grid(query_of(each), start - CALIBRATION, end, STEP)


def raw_of(session: Session, told: Told, each: Recording) -> list[tuple[float, float]]:
    start, end = told.window
    return session.prometheus.raw(each.metric, start - CALIBRATION, end)


def own_index(session: Session, told: Told) -> FigureIndex:
    """Index what the test itself works out from Prometheus for everything the answer may name."""
    numbers: list[float] = []
    times: set[float] = {moment.timestamp() for moment in told.window}
    counted = 0
    start, end = told.window
    for each in RECORDINGS:
        if not session.prometheus.series_count(query_of(each), start - CALIBRATION, end, STEP):
            continue
        counted += 1
        samples, raw = grid_of(session, told, each), raw_of(session, told, each)
        for span in told.payload("detect_anomalies")["spans"]:
            if span["metric"] == each.metric:
                first, peak = seconds(span["start"]), seconds(span["peak"])
                expected = usual(samples, first, peak)
                numbers += [samples[peak], expected, (samples[peak] - expected) / span["spread"]]
                times |= {first, peak, seconds(span["end"])}
        asked = told.payload("query_metric")
        if asked["metric"] == each.metric:
            (row,) = asked["series"]
            known = [(at, value) for at, value in row["points"] if value is not None]
            assert all(is_stored(raw, at, value) for at, value in known)
            values = [value for _, value in known]
            step = round(row["points"][1][0] - row["points"][0][0])
            grid = session.prometheus.grid(query_of(each), start - timedelta(hours=1), end, step)
            hour = statistics.median(v for at, v in grid.items() if at < start.timestamp())
            ratio = values[-1] / hour
            numbers += [values[-1], statistics.median(values), min(values), max(values), hour]
            numbers += [(ratio - 1) * 100, ratio, 100 * (1 - len(known) / len(row["points"]))]
            times |= {at for at, value in known if value in {min(values), max(values)}}
    index = FigureIndex()
    payload = {"numbers": [*numbers, counted, *times]}
    index.add(
        Evidence(EvidenceId("E0"), "own arithmetic", {}, "", datetime.now(UTC), payload=payload)
    )
    return index


def figures_without_source(session: Session, told: Told) -> list[str]:
    index = own_index(session, told)
    return [f.text for line in told.answer.text.splitlines() for f in index.untraced(line)]


def chunks(png: bytes) -> dict[str, str]:
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return {str(name): str(text) for name, text in image.info.items()}


def drawn_spans(told: Told) -> list[tuple[datetime, datetime]]:
    pairs = [part.split("/") for part in chunks(told.png)["spans"].split("; ") if part]
    return [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in pairs]


# ------------------------------------------------------------------------------- the promises


def test_at_least_three_kinds_of_series_are_asked_about() -> None:
    assert len({each.unit for each in RECORDINGS}) >= 3
    assert len(RECORDINGS) == len(KINDS)
    assert len({each.source for each in RECORDINGS}) == 1, "recorded and generated must not mix"


def test_the_answer_names_a_time_inside_the_labelled_window(
    session: Session, recording: Recording
) -> None:
    told = session.unusual[recording.metric]
    spans = [
        s for s in told.payload("detect_anomalies")["spans"] if s["metric"] == recording.metric
    ]
    best = max(spans, key=lambda s: s["score"])
    peak = datetime.fromisoformat(best["peak"])
    first, last = recording.labelled
    assert first <= peak <= last
    assert f"{peak:%Y-%m-%d %H:%M}" in told.answer.conclusion
    assert told.answer.conclusion.startswith(recording.metric)
    assert told.answer.mode == "deterministic"


def test_one_series_alone_proves_nothing_and_accuses_nobody_but_its_own_service(
    session: Session, recording: Recording
) -> None:
    answer = session.unusual[recording.metric].answer
    # what is no latency by its name has no role in this catalogue, and may begin nothing
    assert answer.verdict is (Conclusion.SUSPECTS if answer.causes else Conclusion.RECOVERED)
    assert {each.service for each in answer.causes} <= {recording.service}
    assert not any(each.proved for each in answer.causes)


def test_every_figure_of_the_answer_stands_in_what_prometheus_replies(
    session: Session, recording: Recording
) -> None:
    assert figures_without_source(session, session.unusual[recording.metric]) == []
    assert figures_without_source(session, session.quiet[recording.metric]) == []


def test_a_figure_that_is_not_in_prometheus_would_be_noticed(session: Session) -> None:
    told = session.unusual[METRICS[0]]
    invented = f"{METRICS[0]} reached 987.65 ms at 03:33 (+77.7 σ)"
    found = own_index(session, told).untraced(invented)
    assert [each.text for each in found] == ["987.65 ms", "03:33", "+77.7 σ"]


def test_what_the_scan_states_are_samples_and_simple_statistics_of_samples(
    session: Session, recording: Recording
) -> None:
    told = session.unusual[recording.metric]
    samples, raw = grid_of(session, told, recording), raw_of(session, told, recording)
    spans = [
        s for s in told.payload("detect_anomalies")["spans"] if s["metric"] == recording.metric
    ]
    assert spans
    for span in spans:
        start, peak = seconds(span["start"]), seconds(span["peak"])
        assert is_stored(raw, peak, span["observed"])
        assert span["expected"] == pytest.approx(usual(samples, start, peak))
        sigma = (span["observed"] - span["expected"]) / span["spread"]
        assert span["sigma"] == f"{sigma:+.1f}"
        past = [value for at, value in samples.items() if at < start]
        assert least_spread(samples, start) <= span["spread"] * (1 + 1e-9)
        assert span["spread"] <= max(past) - min(past)


def test_the_chart_shows_the_asked_series_and_marks_the_labelled_window(
    session: Session, recording: Recording
) -> None:
    told = session.unusual[recording.metric]
    said = chunks(told.png)
    assert said["metric"] == recording.metric
    assert said["query"] == query_of(recording)
    first, last = recording.labelled
    inside = [span for span in drawn_spans(told) if first <= span[0] <= last]
    assert inside
    spans = told.payload("detect_anomalies")["spans"]
    own = [(s["start"], s["end"]) for s in spans if s["metric"] == recording.metric]
    stamps = [(f"{a:%Y-%m-%dT%H:%M:%SZ}", f"{b:%Y-%m-%dT%H:%M:%SZ}") for a, b in drawn_spans(told)]
    assert sorted(stamps) == sorted(own)


def test_a_healthy_window_of_the_same_series_blames_nobody(
    session: Session, recording: Recording
) -> None:
    told = session.quiet[recording.metric]
    assert told.answer.causes == ()
    assert recording.metric in told.answer.conclusion
    assert "abnormal around" not in told.answer.conclusion
    assert told.answer.confidence >= 0.75
    assert drawn_spans(told) == []


def test_an_unknown_metric_is_said_to_be_unknown_and_the_nearest_is_named(session: Session) -> None:
    answer = session.unknown.answer
    assert "request_latancy" in answer.conclusion
    assert "Did you mean 'request_latency'?" in answer.conclusion
    assert answer.causes == ()
    assert answer.confidence < 0.5
    assert session.unknown.png == b""


def test_what_is_not_configured_is_named_as_a_gap_and_not_as_a_failure(session: Session) -> None:
    answer = session.unusual[METRICS[0]].answer
    assert {gap.partition(":")[0] for gap in answer.gaps} == {"loki", "kubernetes"}
    assert not any(e.failed for e in answer.evidence)


def test_the_command_line_gives_the_same_conclusion_as_one_json_object(session: Session) -> None:
    told = session.unusual[METRICS[0]]
    asked = subprocess.run(
        [sys.executable, "-m", "bot", "ask", question(METRICS[0], told.window), "--json"],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**_inherited(), **session.environment},
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    body = told.answer.conclusion.partition(" [")[0]  # evidence goes on counting in a thread
    assert answer["conclusion"].startswith(body)
    assert answer["mode"] == "deterministic"
    assert answer["causes"][0]["service"] == RECORDINGS[0].service
    assert {"id", "tool", "arguments", "window", "summary", "link"} <= set(answer["evidence"][0])


def _inherited() -> dict[str, str]:
    """Return the environment without what would configure the bot differently."""
    import os

    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_CONFIG")
    return {name: os.environ[name] for name in kept if name in os.environ}
