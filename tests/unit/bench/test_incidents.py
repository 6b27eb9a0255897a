"""Generated incidents: queues lose nothing, no symptom is written, the ports keep their word."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bench.incidents import kind as kinds_of
from bench.incidents import run
from bench.incidents.asking import open_office
from bench.incidents.classes import CLASSES
from bench.incidents.drawing import Fault, Sketch, sketch
from bench.incidents.graph import HELD_OUT, OPEN, Names, Part, What, draw
from bench.incidents.incident import Incident, Truth, make, play
from bench.incidents.kind import Kind, read_kinds
from bench.incidents.learned import WorldBaselines
from bench.incidents.mechanics import Track, World
from bench.incidents.parameters import Change
from bench.incidents.pods import Pods
from bench.incidents.ports import Served
from bench.incidents.scoring import Outcome, figures, is_right
from bench.incidents.stage import Stage, Strike, set_stage
from bench.incidents.telling.exposure import expose
from bench.incidents.telling.objects import MAKERS
from bench.incidents.telling.wording import CHRONIC, TONGUES
from tools.errors import BackendRefusedError, NotFoundError
from tools.world import Window, WorkloadRef

ROOT = Path(__file__).parents[3]
KINDS = read_kinds()
SEALED = read_kinds(kinds_of.SEALED)
BY_NAME = {each.name: each for each in (*KINDS, *SEALED)}


def stage_of(family: str, seed: int = 3, size: int = 10) -> Stage:
    random = np.random.default_rng(seed)
    names = Names(random, ["a1", "b2", "c3", "d4", "e5", "f6", "g7", "h8", "i9", "j0"], ["-api"])
    graph = draw((OPEN | HELD_OUT)[family], size, names, random)
    return set_stage(graph, 80.0, random)


def lived(stage: Stage, *changes: tuple[Change, ...], minutes: int = 40) -> Track:
    """Let a stage live under steady traffic; a variant for each set of changes."""
    at = (np.arange(1, minutes * 2 + 1) * 30.0).astype(np.float64)
    parameters = stage.parameters.spread(len(changes))
    random = np.random.default_rng(stage.hand_seed)
    pods = Pods(stage.graph, parameters, stage.machines, stage.machine_cores, random)
    mean = stage.usual.arrived[-1, 0, stage.graph.entries]
    flow = np.repeat(mean[None, :], len(at), axis=0).astype(np.float64)
    cores = stage.machine_cores
    return World(stage.graph, parameters, pods, cores, flow, at, changes).run()


def struck(stage: Stage, name: str, when: float = 600.0) -> tuple[Strike, int]:
    kind = BY_NAME[name]
    place = next(iter(kind.places(stage)))
    return kind.strike(stage, place, when, np.random.default_rng(1)), place


@cache
def incident(seed: int = 3) -> Incident:
    return make(seed, KINDS)


# ---------------------------------------------------------------------------------- mechanics


@pytest.mark.parametrize("family", ["diamond", "pipeline"])
def test_what_arrives_is_served_turned_away_or_waits(family: str) -> None:
    stage = stage_of(family)
    overload = (Change(600.0, "load", (), 6.0), Change(1500.0, "load", (), 1.0))
    track = lived(stage, overload)
    waiting = track.waiting[:, 0]
    came = track.arrived[:, 0] * track.lengths[:, None]
    went = (track.served + track.turned)[:, 0] * track.lengths[:, None]
    grew = np.diff(waiting, axis=0, prepend=np.zeros((1, waiting.shape[1])))
    assert (waiting >= 0).all()
    assert waiting.max() > 0
    np.testing.assert_allclose(came, went + grew, rtol=1e-6, atol=1e-6)


def test_requests_in_flight_are_what_is_served_times_how_long_it_takes() -> None:
    stage = stage_of("fan_out")
    track = lived(stage, ())
    front = stage.graph.asked
    slots = stage.figure("threads", front) * stage.figure("replicas", front)
    in_flight = track.served[-1, 0, front] * track.slow[-1, 0, front]
    assert track.busy[-1, front] * slots == pytest.approx(in_flight, rel=0.1)


@pytest.mark.parametrize("family", sorted(OPEN | HELD_OUT))
def test_a_world_to_which_nothing_happens_is_healthy(family: str) -> None:
    stage = stage_of(family)
    track = lived(stage, ())
    asked = stage.graph.asked
    assert track.failed[:, 0, asked].max() < 0.02
    assert track.slow[-1, 0, asked] < 1.2 * track.slow[10, 0, asked]
    assert (track.restarts == 0).all()


def test_trouble_reaches_callers_through_the_links_and_nobody_else() -> None:
    stage = stage_of("fan_out")
    graph = stage.graph
    strike, place = struck(stage, "bug_release")
    track = lived(stage, strike.changes, ())
    worse = track.failed[-1, 0] > track.failed[-1, 1] + 0.005
    callers = {n for n in range(len(graph.parts)) if place in graph.below(n)}
    assert worse[place]
    assert {int(n) for n in np.flatnonzero(worse)} <= callers


def test_a_slow_provider_fills_the_slots_of_who_waits_for_it() -> None:
    stage = stage_of("fan_out")
    strike, place = struck(stage, "provider_slow")
    track = lived(stage, strike.changes, ())
    user = next(each.caller for each in stage.graph.links if each.callee == place)
    assert track.slow[-1, 0, user] > track.slow[-1, 1, user]
    assert track.busy[-1, user] > track.busy[10, user]


def test_a_leak_ends_replicas_by_itself() -> None:
    stage = stage_of("diamond")
    strike, place = struck(stage, "memory_leak")
    track = lived(stage, strike.changes, minutes=70)
    assert track.restarts[-1, place].max() > 0
    assert track.restarts[-1].sum() == track.restarts[-1, place].sum()


def test_the_same_seed_is_the_same_incident() -> None:
    one, other = make(3, KINDS), incident(3)
    np.testing.assert_array_equal(one.track.slow, other.track.slow)
    assert (one.truths, one.question, one.now) == (other.truths, other.question, other.now)


def test_a_fault_that_changes_nothing_is_latent() -> None:
    def nothing(stage: Stage, place: int, when: float, random: np.random.Generator) -> Strike:
        del random
        return Strike((Change(when, "fail", (place,), stage.figure("fail", place)),), ("x",))

    idle = Kind("idle", ("bug",), lambda s: s.places(What.SERVICE), nothing, frozenset())
    drawn = next(s for s in (sketch(n, (idle,), held_out=False) for n in range(20)) if s.faults)
    found = play(only(drawn, drawn.faults[0]))
    assert found.state == "latent"
    assert not found.truths[0].hurts


def only(drawn: Sketch, fault: Fault) -> Sketch:
    drawn.faults, drawn.past, drawn.herrings = [fault], [], []
    return drawn


# --------------------------------------------------------------------------------------- kinds


def test_there_are_thirty_kinds_of_which_twelve_are_sealed() -> None:
    assert len(KINDS) + len(SEALED) >= 30
    assert len(SEALED) >= 12
    assert not {each.name for each in KINDS} & {each.name for each in SEALED}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_kind_changes_figures_that_exist_and_names_known_classes(name: str) -> None:
    kind = BY_NAME[name]
    assert set(kind.mechanisms) <= set(CLASSES)
    for family in ("shared_database", "pipeline", "two_clusters", "diamond", "fan_out", "mesh"):
        stage = stage_of(family, seed=5, size=14)
        if list(kind.places(stage)):
            strike, _ = struck(stage, name)
            lived(stage, strike.changes, minutes=12)
            assert strike.subjects
            return
    assert name in {"cold_cache", "replica_behind"}  # few worlds have one


def test_a_folder_without_kinds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no kinds"):
        read_kinds(tmp_path)
    (tmp_path / "odd.py").write_text("KIND = 1\n")
    with pytest.raises(ValueError, match="has no KIND"):
        read_kinds(tmp_path)


def test_strangers_can_bring_a_kind_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "surge.py").write_text((kinds_of.OPEN / "surge.py").read_text())
    assert [each.name for each in read_kinds(tmp_path)] == ["surge"]


# --------------------------------------------------------------------------------------- ports


@pytest.mark.parametrize("seed", [3, 4])
async def test_every_query_of_the_catalogue_is_answered_or_has_no_series(seed: int) -> None:
    served = Served(expose(incident(seed), held_out=False))
    window = Window.ending(incident(seed).now, timedelta(minutes=30))
    answers = [
        await served.metrics.query_range(e.query, window, timedelta(minutes=1))
        for e in served.entries
    ]
    assert sum(bool(each) for each in answers) > 0.6 * len(answers)
    for series in (each for found in answers for each in found):
        assert series.times[-1] == pytest.approx(window.end.timestamp(), abs=1.0)
        assert len(series.times) == len(series.values) == 31


async def test_the_ports_refuse_as_the_real_ones_do() -> None:
    served = Served(expose(incident(), held_out=False))
    with pytest.raises(BackendRefusedError):
        await served.metrics.query("sum(", incident().now)
    cluster = next(iter(served.clusters.values()))
    with pytest.raises(NotFoundError):
        await cluster.get(WorkloadRef("main", "apps", "Deployment", "nobody"))
    with pytest.raises(NotFoundError):
        await served.traces.get("none")


async def test_pods_of_a_workload_are_those_that_the_api_lists() -> None:
    served = Served(expose(incident(), held_out=False))
    for name, cluster in served.clusters.items():
        for kind in MAKERS:
            await cluster.list(kind, "")
        for each in await cluster.list("Deployment", ""):
            meta = each["metadata"]
            ref = WorkloadRef(name, meta["namespace"], "Deployment", meta["name"])
            pods = await cluster.pods(ref)
            assert sum(pod.ready for pod in pods) == each["status"]["readyReplicas"]


async def test_lines_are_searched_by_service_level_and_literal_text() -> None:
    served = Served(expose(incident(), held_out=False))
    window = Window.ending(incident().now, timedelta(hours=3))
    found = (await served.logs.search(window, level="error", limit=50)).lines
    assert found
    assert {line.level for line in found} <= {"error", "critical"}
    assert [line.at for line in found] == sorted((line.at for line in found), reverse=True)
    only_one = await served.logs.search(window, service=found[0].service, text=found[0].text[-20:])
    assert {line.service for line in only_one.lines} == {found[0].service}


def test_every_tongue_can_say_why_a_use_failed() -> None:
    for tongue in TONGUES.values():
        assert {"DNS", "TLS", "LOGIN", "GONE", "POOL", "FULL", "TIMEOUT", "BAD"} <= set(
            tongue.words
        )


async def test_what_is_usual_was_learned_before_anything_went_wrong() -> None:
    served = Served(expose(incident(), held_out=False))
    learned = WorldBaselines(served)
    learned.came_today = False
    rate = next(e for e in served.entries if e.name.endswith("_rate") and "5m" in e.query)
    window = Window.ending(incident().now - timedelta(hours=4), timedelta(minutes=10))
    found = await served.metrics.query_range(rate.query, window, timedelta(minutes=5))
    baselines = {each.labels: await learned.find(rate.name, each.labels) for each in found}
    known = [(each, baselines[each.labels]) for each in found if baselines[each.labels]]
    assert known
    for series, baseline in known:
        assert baseline is not None
        assert baseline.median == pytest.approx(float(series.values[-1]), rel=0.6)


def test_a_source_that_is_taken_away_is_nowhere() -> None:
    x = expose(incident(), held_out=False)
    named = set(Served(x, ("call_graph", "statements")).metrics.store.families)
    assert not {n for n in named if n.startswith(("istio_", "traces_", "pg_stat_statements"))}
    assert not Served(x, ("metrics",)).metrics.store.families


async def test_a_question_is_answered_with_one_of_five_verdicts() -> None:
    async with open_office() as office:
        x = expose(incident(), held_out=False)
        whole = await office.ask(x, incident().question)
        blind = await office.ask(x, incident().question, ("metrics", "logs", "objects", "history"))
    verdicts = {"cause", "suspects", "recovered", "healthy", "cannot_tell"}
    assert {whole["verdict"], blind["verdict"]} <= verdicts
    assert blind["verdict"] not in {"cause", "healthy"}


# ------------------------------------------------------------------------------------- scoring

TRUTH = Truth(
    "bad_image", ("depot",), ("image",), 0.0, hurts=True, hurt=True, triggers=("2.1-rc1",)
)


@pytest.mark.parametrize(
    ("service", "sentence", "right"),
    [
        ("depot", "depot cannot pull its image", True),
        ("depot", "Deploy of depot (2.0 → 2.1-rc1)", True),
        ("depot", "Deploy of depot (1.9 → 2.0)", False),
        ("depot", "depot is slow and has errors", False),
        ("courier", "courier cannot pull its image", False),
        ("depot-db", "depot-db cannot pull its image", False),
    ],
)
def test_an_answer_is_right_by_subject_and_mechanism(
    service: str, sentence: str, right: bool
) -> None:
    assert is_right({"service": service, "kind": "x", "cause": sentence}, TRUTH) is right


def test_figures_count_claims_and_what_was_left_alone() -> None:
    def outcome(state: str, verdict: str, place: int, *, clear: bool = True) -> Outcome:
        return Outcome(
            1, state, "k", "f", 9, clear, verdict, 0.9, place, False, {"rule": False}, 0.1
        )

    found = figures(
        [
            outcome("hurts", "cause", 1),
            outcome("hurts", "suspects", 2),
            outcome("hurts", "healthy", 0),
            outcome("hurts", "cause", 0, clear=False),
            outcome("healthy", "cause", 0),
            outcome("healthy", "healthy", 0),
            outcome("latent", "suspects", 0),
        ]
    )
    assert found["top1"] == pytest.approx(1 / 3)
    assert found["top3"] == pytest.approx(2 / 3)
    assert found["claimed"] == pytest.approx(0.5)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["false_all_clear"] == pytest.approx(0.25)
    assert found["healthy_blamed"] == pytest.approx(1 / 3)


def test_seeds_are_written_as_a_span() -> None:
    with pytest.raises(SystemExit, match="write A-B"):
        run(seeds="many")


def test_what_answers_knows_no_name_and_no_line_of_the_worlds() -> None:
    names = {p.name for seed in (3, 5, 9) for p in incident_parts(seed)}
    names = {name for name in names if "-" in name or name.endswith("service")}
    stage = stage_of("shared_database")
    said = {
        v for k in KINDS if list(k.places(stage)) for v in struck(stage, k.name)[0].details.values()
    }
    words = {w for w in names | said | set(CHRONIC) if len(w) > 8}
    assert len(words) > 20
    text = "\n".join(
        p.read_text() for p in (ROOT / "tools").rglob("*") if p.suffix in {".py", ".yaml"}
    )
    assert {w for w in words if re.search(rf"(?<![\w-]){re.escape(w)}(?![\w-])", text)} == set()


def incident_parts(seed: int) -> list[Part]:
    return sketch(seed, KINDS, held_out=False).stage.graph.parts
