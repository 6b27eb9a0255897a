"""The benches measure what they say, on recorded and on generated data."""

import csv
import json
import random
import shutil
from pathlib import Path

import pytest

from bench import logs, perception, perception_run
from bench.__main__ import main
from bench.logs.grouping import Score, score
from bench.logs.public_formats import generate
from bench.report import Aim, Report
from tests.fixtures.real_prometheus import backfill, running


def test_only_whole_groups_count() -> None:
    assert score("aabb", [1, 1, 2, 2]) == Score(ga=1, fga=1)
    assert score("aabb", [1, 1, 2, 3]) == Score(ga=0.5, fga=0.4)
    assert score("aabb", [1, 1, 1, 1]) == Score(ga=0, fga=0)


def recorded(folder: Path) -> Path:
    for name in ("redis", "kubelet", "mysql"):
        rows = list(generate(name, 200, random.Random(5)))
        (folder / name).mkdir(parents=True)
        log = folder / name / f"{name}_2k.log"
        log.write_text("\r\n".join(raw for _, raw, _ in rows) + "\r\n", encoding="utf-8")
        with (log.parent / f"{log.name}_structured.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["LineId", "Content", "EventId"])
            table.writerows([i + 1, m, e] for i, (m, _, e) in enumerate(rows))
    return folder


def test_logs_reads_the_public_layout_and_ends_with_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data = recorded(tmp_path / "logs").parent
    monkeypatch.setattr(logs, "CHOOSING_LINES", 10)
    monkeypatch.setattr(logs, "GENERATED_LINES", 10)
    main(["logs", "--data", str(data), "--json"])  # its status depends on the machine's speed
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found) == {"bench", "data", "ours", "peers"}
    assert set(found["ours"]) == {
        "message_ga", "raw_ga", "message_fga", "raw_fga", "message_ga_left_out",
        "raw_ga_left_out", "lines_per_second",
    }  # fmt: skip
    assert found["ours"]["message_ga"] >= 0.9
    assert found["ours"]["raw_ga"] >= 0.85


def test_an_unknown_bench_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["log"])
    assert "no bench named 'log'. Did you mean 'logs'?" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["logs", "--data", "no/such/folder"])
    assert "'no/such/folder' is no folder" in capsys.readouterr().err


@pytest.mark.needs_prometheus
def test_both_clients_of_the_perception_bench_read_the_same_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("needs the Debian package prometheus")
    monkeypatch.setattr(perception, "SERIES", 3)
    backfill(tmp_path, perception.samples())
    with running(tmp_path) as url:
        ours, theirs = perception_run.ours(url), perception_run.theirs(url)
    assert len(ours) == 3
    for left, right in zip(ours, theirs, strict=True):
        assert left.tolist() == right.tolist()
        assert left.size == perception.POINTS


@pytest.mark.parametrize(
    ("aim", "value", "met"),
    [
        (Aim.exactly(0), 0.0, True),
        (Aim.exactly(0), 1.0, False),
        (Aim(least=0.9), 0.9, True),
        (Aim(least=0.9), 0.89, False),
        (Aim(most=1.5), 1.5, True),
        (Aim(most=1.5), 1.51, False),
        (Aim(most=1.5), float("nan"), False),
        (Aim(most=1.5), None, False),
    ],
)
def test_an_aim_is_met_within_its_bounds_and_never_by_what_was_not_measured(
    aim: Aim, value: float | None, met: bool
) -> None:
    assert aim.is_met(value) is met


@pytest.mark.parametrize(("found", "status"), [(0.0, 0), (1.0, 1)])
def test_a_missed_aim_ends_the_bench_with_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], found: float, status: int
) -> None:
    report = Report("logs", "made here", {"lost": found}, {}, {"lost": Aim.exactly(0)})
    monkeypatch.setattr("bench.logs.run", lambda _: report)
    assert main(["logs", "--json"]) == status
    assert ("missed" in capsys.readouterr().err) is bool(status)
