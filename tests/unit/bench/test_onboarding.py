"""The judge of onboarding: right catalogues score high, junk scores low, and each wrong is told."""

import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from bench.onboarding.drawn import draw, scrape_config
from bench.onboarding.judge import Proposal, Resource, Sample, Truth, Verdicts, Wanted, judge
from bench.onboarding.programs import Target
from bench.onboarding.stage import given_stage, missing
from bench.onboarding.truths import roles, the_list
from bench.onboarding.usefulness import Fault, why_not_useful
from bench.report import Aim, Report
from foundation.yaml_file import parse_yaml

RATE = "sum by (app) (rate(shop_requests_total[5m]))"
BAD = 'sum by (app) (rate(shop_requests_total{code=~"5.."}[5m]))'
SLOW = "histogram_quantile(0.99, sum by (app, le) (rate(shop_duration_seconds_bucket[5m])))"
FULL = "sum by (app) (process_open_fds) / sum by (app) (process_max_fds)"
WANTED = [
    Wanted(name, {"traffic": [Truth(4, 4)], "errors": [Truth(0.4, 0.4, 0.1)],
                  "latency": [Truth(0.08, 0.5)]})
    for name in ("elm", "oak")
]  # fmt: skip
FILES = [Resource("elm", "files", ["process_open_fds"], ["saturation"], truth=0.2)]
RIGHT = {
    "traffic": (Proposal("rps", RATE, "requests/s", "traffic", "app"), 4.4),
    "errors": (Proposal("bad", f"{BAD} / {RATE}", "ratio", "errors", "app"), 0.11),
    "latency": (Proposal("p99", SLOW, "seconds", "latency", "app"), 0.4),
    "saturation": (Proposal("files", FULL, "ratio", "saturation", "app"), 0.21),
}


def judged(given: dict[str, tuple[Proposal, float]], services: tuple[str, ...]) -> Verdicts:
    answers = {p.name: [Sample({"app": each}, v) for each in services] for p, v in given.values()}
    proposals = [proposal for proposal, _ in given.values()]
    return judge(proposals, answers, answers, WANTED, FILES, roles())


def test_a_right_catalogue_is_found_whole() -> None:
    found = judged(RIGHT, ("elm", "oak"))
    assert (found.red_share, found.use_share, found.data_share) == (1, 1, 1)
    assert (found.wrong_roles, found.wrong_units, found.unjudged) == ({}, {}, 0)


def test_a_service_counts_only_when_all_its_parts_are_found_under_its_own_name() -> None:
    found = judged(RIGHT, ("elm", "oak-2"))
    assert found.red["oak"]["traffic"] == "no traffic of it"
    assert (found.red_share, found.part_share) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("part", "change", "value", "where", "says"),
    [
        ("latency", {"unit": "milliseconds"}, 0.4, "wrong_units", "off by its unit"),
        ("latency", {"unit": "ratio"}, 0.4, "wrong_units", "a latency in 'ratio'"),
        ("errors", {}, 11, "wrong_units", "11 ratio is off by its unit"),
        ("traffic", {"unit": "seconds"}, 4, "wrong_units", "traffic in 'seconds'"),
        ("latency", {"role": "traffic"}, 0.4, "wrong_roles", "proposed as traffic"),
        ("traffic", {"role": "latency"}, 4, "wrong_units", "a latency in"),
        ("traffic", {"role": "errors"}, 4, "wrong_roles", "errors that ask for no failure"),
        ("errors", {"role": "traffic", "query": BAD}, 0.4, "wrong_roles", "failures proposed"),
        ("saturation", {"role": "latency"}, 0.2, "wrong_roles", "process_"),
        ("traffic", {}, 9, "red", "9 requests/s is not 4 a second"),
        ("errors", {}, 0.5, "red", "is not a share of 0.1"),
        ("latency", {}, 2, "red", "is not 0.08 to 0.5 s"),
        ("traffic", {"group_by": "job"}, 4, "red", "no traffic of it"),
        ("traffic", {"unit": "apples"}, 4, "red", "unit 'apples' is no traffic"),
        ("saturation", {"role": ""}, 0.2, "use", "of no role"),
        ("saturation", {}, 0.9, "use", "is not 0.2"),
        ("saturation", {"query": RATE}, 0.2, "use", "nothing over it"),
    ],
)
def test_each_wrong_is_seen_and_told(
    part: str, change: dict[str, str], value: float, where: str, says: str
) -> None:
    found = judged(RIGHT | {part: (replace(RIGHT[part][0], **change), value)}, ("elm", "oak"))
    assert says in str(getattr(found, where))


def test_junk_scores_low() -> None:
    junk = {
        str(number): (Proposal(str(number), query, unit, role, "app"), value)
        for number, (query, unit, role, value) in enumerate([
            ("sum by (app) (go_goroutines)", "ratio", "errors", 41),
            ("sum by (app) (shop_duration_seconds_sum)", "seconds", "traffic", 9000),
            ("sum by (app) (rate(shop_requests_total[5m]))", "seconds", "latency", 4),
            ("count by (app) (up)", "requests/s", "traffic", 1),
            ("sum by (app) (never_was)", "ratio", "errors", math.nan),
        ])
    }  # fmt: skip
    found = judged(junk, ("elm", "oak"))
    assert (found.red_share, found.part_share, found.use_share) == (0, 0, 0)
    assert found.data_share == pytest.approx(0.8)
    assert len(found.wrong_roles) + len(found.wrong_units) >= 4


def test_nothing_proposed_is_nothing_right() -> None:
    found = judged({}, ())
    assert (found.red_share, found.use_share, found.data_share) == (0, 0, 0)


SLOW_OAK = Fault("oak", "slow", 0.9, 1.9)
BAD_OAK = Fault("oak", "errors", 0.2, 0.45, (0.8, 2.0))
SAYS_SLOW = {
    "verdict": "suspects", "conclusion": "oak is slow: p99 1.8 s, elm waits for it",
    "answer": "", "causes": [], "evidence": [{"id": "E1"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "fault", "why"),
    [
        ({}, SLOW_OAK, ""),
        ({"conclusion": "elm and oak are slow: 1800 ms", "causes": [{"service": "oak"}],
          "answer": "oak: p99 1800 ms"}, SLOW_OAK, ""),
        ({"conclusion": "oak fails 41 % of its requests"}, BAD_OAK, ""),
        ({"conclusion": "errors of oak are 0.41"}, BAD_OAK, ""),
        ({"conclusion": "oak has 1.7 errors/s"}, BAD_OAK, ""),
        ({"verdict": ""}, SLOW_OAK, "it names no cause"),
        ({"verdict": "", "causes": [{"service": "oak"}]}, SLOW_OAK, ""),
        ({"verdict": "healthy"}, SLOW_OAK, "the verdict is healthy"),
        ({"verdict": "cannot_tell"}, SLOW_OAK, "the verdict is cannot_tell"),
        ({"conclusion": "elm is slow: 1.8 s, oak too"}, SLOW_OAK, "it names elm first"),
        ({"conclusion": "oak-2 is slow: 1.8 s"}, SLOW_OAK, "it names oak-2 first"),
        ({"conclusion": "oak is slow: 90 ms"}, SLOW_OAK, "no figure beside"),
        ({"conclusion": "oak is slow", "answer": "limit 1 s"}, SLOW_OAK, "no figure beside"),
        ({"conclusion": "oak: 1.2 s"}, BAD_OAK, "no figure beside"),
        ({"conclusion": "oak fails 4 %"}, BAD_OAK, "no figure beside"),
        ({"evidence": []}, SLOW_OAK, "it has no evidence"),
    ],
)  # fmt: skip
def test_an_answer_is_useful_when_it_names_the_service_and_its_figure(
    change: dict[str, object], fault: Fault, why: str
) -> None:
    told = why_not_useful({**SAYS_SLOW, **change}, fault, ["elm", "oak", "oak-2"])
    assert told.startswith(why)
    assert bool(told) == bool(why)


def test_no_answer_is_not_useful() -> None:
    assert why_not_useful({}, SLOW_OAK, ["oak"]) == "it names no cause"
    assert why_not_useful({"failed": "no such file"}, SLOW_OAK, ["oak"]).startswith("it failed: no")
    assert not Aim(most=180).is_met(math.nan)


@pytest.mark.parametrize("name", ["mixed", "depot"])
def test_every_program_of_a_stage_is_on_the_list_and_every_draw_can_be_scraped(name: str) -> None:
    given = given_stage(name)
    both = {**given["services"], **given["programs"]}
    listed = {**the_list()["red"], **the_list()["use"]}
    assert {each["kind"] for each in both.values()} <= set(listed)
    assert set(given["faulty"]) <= set(given["services"])
    assert set(given["held_out"]) <= {each["kind"] for each in both.values()}
    assert all(line.startswith(("apt install", "python3 -m venv")) for line in missing(given))
    for seed in range(20):
        drawn = draw(seed, both, given["faulty"])
        assert len(set(drawn.names.values())) == len(both)
        targets = {key: Target(9000 + n) for n, key in enumerate(both)}
        read = parse_yaml(scrape_config(drawn, targets, given["programs"]), "scrape.yml").value
        scraped = [
            (job["job_name"] if label == "job" else group["labels"][label])
            for key in both
            for label in [drawn.label_of(key, given["programs"])[0]]
            for job in read["scrape_configs"]
            for group in job["static_configs"]
            if group["targets"] == [f"127.0.0.1:{targets[key].port}"]
        ]
        assert scraped == [drawn.names[key] for key in both]


def test_a_stage_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(SystemExit, match="no stage 'mixd'; there are depot, mixed"):
        given_stage("mixd")


def test_an_aim_that_was_never_measured_is_shown_as_missed() -> None:
    shown = Console(file=StringIO(), width=120)
    report = Report("onboarding", "", {"red": 1.0}, {}, {"useful_seconds": Aim(most=180)})
    report.show(shown)
    assert report.missed == ("useful_seconds",)
    assert "≤ 180 missed" in shown.file.getvalue()  # type: ignore[attr-defined]
