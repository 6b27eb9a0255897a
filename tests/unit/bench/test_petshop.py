"""The bench of slow calls reads the public layout and ranks with the product's own functions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from bench.petshop import run

SERVICES = ("Shop", "Store_AWS::Table", "store.example_remote", "Idle")
CALLS = {"Shop": ("store.example_remote",), "store.example_remote": ("Store_AWS::Table",)}


def _metrics(path: Path, rows: int, *, slow: bool) -> None:
    rng = np.random.default_rng(rows)
    columns = [
        (who, metric, statistic)
        for who in SERVICES
        for metric, statistic in (
            ("latency", "Average"), ("availability", "Average"), ("requests", "Sum")
        )
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        for place, heading in enumerate(("microservice", "metric", "statistic")):
            table.writerow([heading, *(column[place] for column in columns)])
        table.writerow(["unix_timestamp", *("" for _ in columns)])
        for row in range(rows):
            slowed = 8.0 if slow and row >= 1 else 1.0
            noise = rng.normal(1, 0.01, len(columns))
            drawn = zip(columns, noise.tolist(), strict=True)
            cells = [_cell(who, metric, slowed, n) for (who, metric, _), n in drawn]
            table.writerow([300.0 * row, *cells])


def _cell(who: str, metric: str, slowed: float, noise: float) -> float:
    if metric == "latency":
        return noise * (1.0 if who == "Idle" else slowed)
    return 100.0 if metric == "availability" else 50.0


def test_a_recorded_issue_is_ranked_and_health_is_not_blamed(tmp_path: Path) -> None:
    shop = tmp_path / "low_traffic"
    _metrics(shop / "noissue" / "metrics.csv", 400, slow=False)
    _metrics(shop / "test" / "issue_1" / "metrics.csv", 5, slow=True)
    (shop / "test" / "issue_1" / "target.json").write_text(
        json.dumps({
            "target": {"node": "Shop", "metric": "latency", "agg": "Average", "timestamp": 600},
            "root_cause": {"node": "Store_AWS::Table", "metric": None},
        })
    )  # fmt: skip
    with (shop / "graph.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["microservice", *SERVICES])
        for who in SERVICES:
            table.writerow([who, *(float(name in CALLS.get(who, ())) for name in SERVICES)])
    report = run(tmp_path)
    assert report.ours["top1"] == 1.0
    assert report.ours["claimed"] == 1.0
    assert report.ours["specificity"] == 1.0
    assert "1 issues" in report.data
