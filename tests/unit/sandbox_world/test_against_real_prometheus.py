"""The evaluator gives what a real Prometheus gives for the same samples."""

import json
import math
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sandbox.prometheus import answers, evaluate
from sandbox.prometheus.samples import NAME, RecordedSource, Series, labels_of

START_MS = 1_700_000_100_000 // 60_000 * 60_000
STEP_MS = 15_000
COUNT = 960  # four hours

QUERIES = (
    "requests_total",
    'requests_total{code="500"}',
    'requests_total{code!="500",job=~"a|b"}',
    'requests_total{job!~"a.*"}',
    "requests_total offset 7m",
    "temperature @ end()",
    "rate(requests_total[5m])",
    "rate(requests_total[47s])",
    "irate(requests_total[5m])",
    "increase(requests_total[13m])",
    "delta(temperature[10m])",
    "idelta(temperature[10m])",
    "deriv(temperature[10m])",
    "predict_linear(temperature[10m], 600)",
    "resets(requests_total[1h])",
    "changes(temperature[20m])",
    "avg_over_time(temperature[10m])",
    "min_over_time(temperature[10m])",
    "max_over_time(temperature[10m])",
    "sum_over_time(temperature[10m])",
    "count_over_time(temperature[10m])",
    "quantile_over_time(0.83, temperature[10m])",
    "stddev_over_time(temperature[10m])",
    "last_over_time(temperature[3m])",
    "present_over_time(temperature[3m])",
    "sum(rate(requests_total[5m]))",
    "sum by (job) (rate(requests_total[5m]))",
    "avg without (code) (temperature)",
    "min(temperature)",
    "max by (job) (temperature)",
    "count(temperature > 20)",
    "stddev(temperature)",
    "topk(2, temperature)",
    "bottomk by (job) (1, temperature)",
    "quantile(0.4, temperature)",
    'count_values("whole", floor(temperature / 10))',
    "group by (job) (temperature)",
    "histogram_quantile(0.99, sum by (le, job) (rate(latency_bucket[5m])))",
    "histogram_quantile(0.5, latency_bucket)",
    'label_replace(temperature, "where", "$1-x", "job", "(.).*")',
    'label_join(temperature, "both", "/", "job", "code")',
    "abs(temperature - 20) + ceil(temperature) - floor(temperature)",
    "clamp(temperature, 15, 22)",
    "clamp_min(temperature, 19) * clamp_max(temperature, 21)",
    "round(temperature, 0.25)",
    "exp(temperature / 10) + ln(temperature) + log2(temperature) + log10(temperature)",
    "sqrt(temperature) * sgn(temperature - 20)",
    "timestamp(temperature)",
    "time() - timestamp(temperature)",
    "vector(3) + 1",
    "scalar(sum(temperature)) / 2",
    'absent(nothing{job="a"})',
    "temperature > bool 20",
    "20 < temperature",
    "temperature % 7 ^ 2",
    "-temperature",
    "temperature and on (job, code) requests_total{job='a'}",
    "temperature or requests_total",
    "temperature unless on (job) requests_total{job='a'}",
    "temperature / on (job) group_left sum by (job) (temperature)",
    "sum by (job) (temperature) * on (job) group_right temperature",
    "rate(requests_total{code='500'}[5m]) / ignoring (code) sum without (code) (requests_total)",
    "max_over_time(rate(requests_total[2m])[20m:1m])",
    "avg_over_time(temperature[10m:30s] offset 3m)",
    "sum(temperature) / 0 - 1",
    "0 * gappy",
    "sum(rate(gappy[5m]))",
    "absent_over_time(gappy[6m])",
)  # fmt: skip


def _recorded() -> list[Series]:
    random = np.random.default_rng(7)
    times = START_MS + np.arange(COUNT, dtype=np.int64) * STEP_MS
    found = []
    for job in ("a", "b", "ab"):
        for code in ("200", "500"):
            steps = random.gamma(2.0, 3.0, COUNT)
            total = np.cumsum(steps)
            if code == "500":
                total[COUNT // 2 :] -= total[COUNT // 2]  # the process restarted
            labels = [(NAME, "requests_total"), ("job", job), ("code", code)]
            found.append(Series(labels_of(labels), times, np.round(total, 3)))
            walk = np.round(20 + np.cumsum(random.normal(0, 0.2, COUNT)), 4)
            found.append(Series(labels_of([(NAME, "temperature"), *labels[1:]]), times, walk))
        below = np.cumsum(random.poisson(5, (COUNT, 5)), axis=0)
        buckets = np.cumsum(below, axis=1).astype(float)
        for index, le in enumerate(("0.1", "0.25", "0.5", "1", "+Inf")):
            labels = [(NAME, "latency_bucket"), ("job", job), ("le", le)]
            found.append(Series(labels_of(labels), times, buckets[:, index].copy()))
    kept = np.ones(COUNT, dtype=bool)
    kept[100:150] = False
    kept[300:340] = False
    gappy = Series(
        labels_of([(NAME, "gappy"), ("job", "a")]), times[kept], np.arange(COUNT, dtype=float)[kept]
    )
    return [*found, gappy]


def _openmetrics(series: list[Series]) -> str:
    lines = []
    for row in sorted(series, key=lambda one: one.labels):
        held = dict(row.labels)
        name = held.pop(NAME)
        inner = ",".join(f'{key}="{value}"' for key, value in held.items())
        lines += [
            f"{name}{{{inner}}} {float(value)!r} {int(at) / 1000:.3f}"
            for at, value in zip(row.times, row.values, strict=True)
        ]
    lines.sort(key=lambda line: line.split("{", 1)[0])
    return "\n".join([*lines, "# EOF", ""])


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("needs the Debian package prometheus")
    folder: Path = tmp_path_factory.mktemp("prometheus")
    (folder / "samples.txt").write_text(_openmetrics(_recorded()), encoding="utf-8")
    (folder / "empty.yml").write_text("", encoding="utf-8")
    backfill = ["promtool", "tsdb", "create-blocks-from", "openmetrics"]
    done = subprocess.run(
        [*backfill, str(folder / "samples.txt"), str(folder / "data")],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'empty.yml'}",
             f"--storage.tsdb.path={folder / 'data'}", "--storage.tsdb.retention.time=30y",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=2).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                server.poll()
                assert server.returncode is None, (folder / "log").read_text()
                try:
                    server.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.needs_prometheus
@pytest.mark.parametrize("query", QUERIES)
def test_every_step_agrees_with_a_real_prometheus(prometheus: str, query: str) -> None:
    start, end, step = START_MS + 20 * 60_000, START_MS + 230 * 60_000, 97_000
    asked = urllib.parse.urlencode(
        {"query": query, "start": start / 1000, "end": end / 1000, "step": step / 1000}
    )
    with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{asked}") as reply:
        theirs = json.load(reply)["data"]["result"]
    value = evaluate.over(RecordedSource(_recorded()), query, start, end, step)
    ours = answers.of_range(value, evaluate.range_steps(start, end, step))["result"]

    def by_labels(rows: list[dict]) -> dict:
        return {tuple(sorted(row["metric"].items())): dict(row["values"]) for row in rows}

    left, right = by_labels(ours), by_labels(theirs)
    assert left.keys() == right.keys()
    for labels, expected in right.items():
        assert left[labels].keys() == expected.keys()
        for at, number in expected.items():
            mine, real = float(left[labels][at]), float(number)
            same = mine == real or (math.isnan(mine) and math.isnan(real))
            assert same or math.isclose(mine, real, rel_tol=1e-9, abs_tol=1e-9), (labels, at)
