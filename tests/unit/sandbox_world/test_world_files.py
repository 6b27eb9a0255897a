"""A world is a file: what it says is there, and each mistake is told with its place."""

import numpy as np
import pytest
import yaml

from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.loki.lines import Logs
from sandbox.prometheus import evaluate
from sandbox.prometheus.values import Vector
from sandbox.tempo.calls import spans_of
from sandbox.world.errors import WorldError
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_world, read_world, world_names
from sandbox.world.pods import StaticCluster
from sandbox.world.scenario import Story
from sandbox.world.world import World, origin_before
from tests.unit.sandbox_world.conftest import NOW

SHOP = load_world("shop")

SMALL = """
title: Small
description: Two services
profile: config/config.yaml
first_story: quiet
namespaces: {main: {}}
nodes: [node-a]
services:
  front:
    {namespace: main, team: a, replicas: 2, version: "1.0", median_seconds: 0.1, rps: 10,
     conventions: [web], calls: [{to: back, share: 2, felt: 0.5}]}
  back: {namespace: main, team: a, replicas: 1, version: "1.0", median_seconds: 0.2}
conventions:
  web:
    metrics: [{type: requests, name: hits_total, help: Hits, labels: {app: "{name}"}}]
voices: {front: [{level: info, per_minute: 1, template: "served in {ms} ms"}]}
journeys: [{steps: {service: front, name: GET /}}]
stories:
  quiet: {title: Quiet, description: Nothing, truth: {healthy: true}, start_after_seconds: 1}
"""


def test_both_worlds_can_be_told_and_have_a_healthy_story() -> None:
    assert set(world_names()) >= {"shop", "trading"}
    for name in world_names():
        world = load_world(name)
        assert any(story.truth.healthy for story in world.stories.values())
        assert not all(story.truth.healthy for story in world.stories.values())


def test_a_service_without_a_load_of_its_own_gets_what_its_callers_ask() -> None:
    assert read_world("small", SMALL).usual_rps == {"front": 10.0, "back": 20.0}


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("median_seconds", "medain_seconds", "front.medain_seconds: no such key; did you"),
        ("rps: 10,", "", "services.front: has no rps and nobody calls it"),
        ('"1.0", median_seconds: 0.2', "1.0, median_seconds: 0.2", "services.back.version: Input"),
        ("to: back", "to: bak", "services.front.calls: 'bak' is not there; there are front, back"),
        ("namespaces: {main", "namespaces: {mian", "services.front.namespace: 'main' is not there"),
        ("conventions: [web]", "conventions: [wob]", "'wob' is not there; there are web"),
        ("{name}", "{nane}", "conventions.web.hits_total: '{nane}' cannot be filled in"),
        ("{ms}", "{msec}", "voices.front: 'served in {msec} ms' cannot be filled in"),
        ("healthy: true", "healthy: false", "stories.quiet.truth: healthy and a guilty service"),
        ("first_story: quiet", "first_story: loud", "first_story: 'loud' is not there"),
        ("title: Small", "title: Small\ntitle: Big", "line 3: the key 'title' stands twice"),
        ("title: Small", "title: [", "line 4: expected"),
        ("type: requests", "type: request", "conventions.web.metrics.0"),
        ("service: front", "service: nobody", "journeys: 'nobody' is not there"),
        ("title: Small\n", "", "title: is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(before: str, after: str, told: str) -> None:
    wrong = SMALL.replace(before, after, 1)
    with pytest.raises(WorldError) as error:
        read_world("small", wrong)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image": "back:2", "hours": {"begin_seconds": 0, "last_seconds": 9}}, "exactly one of"),
        ({}, "exactly one of image, config_map, leak and hours carries a fault"),
        (
            {"image": "back:2", "effects": [{"service": "back", "signal": "latencey"}]},
            "no signal 'latencey'; there are cpu, errors, latency, load, memory",
        ),
        (
            {"leak": {"workload": "front", "base_ratio": 0.3, "seconds_to_limit": 9,
                      "started_before_seconds": [1]}},
            "front has 2 pods: tell an age of each",
        ),
    ],
)  # fmt: skip
def test_a_fault_is_carried_by_one_thing_and_moves_what_exists(
    change: dict[str, object], told: str
) -> None:
    raw = yaml.safe_load(SMALL)
    raw["stories"]["quiet"]["faults"] = [{"id": "broken", **change}]
    with pytest.raises(WorldError) as error:
        read_world("small", yaml.safe_dump(raw))
    assert told in str(error.value)


def test_loads_that_go_in_a_circle_are_refused() -> None:
    raw = yaml.safe_load(SMALL)
    raw["services"]["back"]["calls"] = [{"to": "front"}]
    del raw["services"]["front"]["rps"]
    with pytest.raises(WorldError, match="its load comes back to itself"):
        read_world("small", yaml.safe_dump(raw))


def test_an_unknown_world_is_named_with_those_there() -> None:
    with pytest.raises(WorldError, match="no world 'shp'; there are shop, trading"):
        load_world("shp")


# -- what the shop shows ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop() -> World:
    """The shop while its payment provider is slow: for twelve minutes now."""
    clock, origin = ManualClock(NOW), origin_before(NOW)
    cluster = StaticCluster(origin, SHOP)
    world = World(clock, FaultLog(), cluster, origin=origin, blueprint=SHOP)
    world.tell(Story(SHOP.get_scenario("provider_slow"), NOW - 1020))
    return world


def asked(world: World, query: str, at: float) -> dict[str, float]:
    moment = round(at * 1000)
    vector = evaluate.over(world, query, moment, moment, 60_000)
    assert isinstance(vector, Vector)
    names = [dict(labels) for labels in vector.labels]
    return {
        next(iter(name.values()), ""): float(row[0])
        for name, row in zip(names, vector.values, strict=True)
    }


def test_callers_feel_a_slow_provider_and_others_do_not(shop: World) -> None:
    mean = (
        "sum by (application) (rate(http_server_requests_seconds_sum[5m]))"
        " / sum by (application) (rate(http_server_requests_seconds_count[5m]))"
    )
    before, now = asked(shop, mean, NOW - 1200), asked(shop, mean, NOW)
    assert now["payments"] > 8 * before["payments"]
    assert now["orders"] < 1.2 * before["orders"]
    name = "http_server_request_duration_seconds_bucket"
    buckets = f'sum by (job, le) (rate({name}{{job=~"shop/c.*"}}[5m]))'
    p99 = f"histogram_quantile(0.99, {buckets})"
    before, now = asked(shop, p99, NOW - 1200), asked(shop, p99, NOW)
    assert now["shop/checkout"] > 3 * before["shop/checkout"]
    assert now["shop/catalog"] < 1.1 * before["shop/catalog"]


def test_both_sides_of_a_call_count_it_alike(shop: World) -> None:
    def rate(by: str, metric: str) -> float:
        return asked(shop, f'sum by ({by}) (rate({metric}{{{by}="inventory"}}[1h]))', NOW)[
            "inventory"
        ]

    from_java = rate("client_name", "http_client_requests_seconds_count")
    from_go = rate("server_address", "http_client_request_duration_seconds_count")
    served = rate("application", "http_server_requests_seconds_count")
    assert from_java + from_go == pytest.approx(served, rel=0.05)


def test_trouble_by_the_clock_ends_by_itself(shop: World) -> None:
    story = shop.stories[0]
    fault = story.scenario.faults[0]
    assert shop.timeline.is_open(story, fault, NOW)
    times = np.array([NOW - 900, NOW, NOW + 3600])
    assert shop.timeline.strength(story, fault, times) == pytest.approx([0, 1, 0], abs=0.01)


def test_a_busy_evening_raises_load_and_work_all_the_way_down() -> None:
    clock, origin = ManualClock(NOW), origin_before(NOW)
    world = World(clock, FaultLog(), StaticCluster(origin, SHOP), origin=origin, blueprint=SHOP)
    times = np.arange(NOW - 300, NOW, 15.0)
    quiet = {name: world.signals.cpu(name, times).mean() for name in ("edge", "orders")}
    asked_before = world.signals.load("shop-postgres", times).mean()
    world.tell(Story(SHOP.get_scenario("busy_evening"), NOW - 2400))
    assert world.signals.load("shop-postgres", times).mean() == pytest.approx(
        1.66 * asked_before, rel=0.02
    )
    for name, before in quiet.items():
        assert 1.3 * before < world.signals.cpu(name, times).mean() < 1.66 * before


def test_lines_are_written_in_the_format_of_their_service(shop: World) -> None:
    logs = Logs(shop.timeline, 7)

    def first(app: str) -> str:
        lines = logs.forward(lambda labels: labels["app"] == app, NOW - 600, NOW)
        return next(line.text for line in lines)

    assert '"log.level": ' in first("payments")
    assert first("checkout").startswith('{"time": ')
    assert first("shop-postgres").startswith("LOG:  checkpoint")


def test_a_trace_of_a_charge_shows_the_provider_as_the_slow_part(shop: World) -> None:
    logs = Logs(shop.timeline, 7)
    lines = logs.forward(lambda labels: labels["app"] == "payments", NOW - 600, NOW)
    line = next(line for line in lines if line.level == "warn" and "took" in line.said)
    medians = {name: shop.signals.latency(name, np.array([NOW]))[0] for name in SHOP.services}
    spans = {span.name: span for span in spans_of("a" * 32, line, SHOP, medians.__getitem__)}
    assert spans["POST /v1/charges"].seconds > 0.5 * spans["POST /checkout"].seconds


def test_a_pods_own_counter_begins_with_the_pod(shop: World) -> None:
    clock, origin = ManualClock(NOW), origin_before(NOW)
    cluster = StaticCluster(origin, SHOP)
    world = World(clock, FaultLog(), cluster, origin=origin, blueprint=SHOP)
    cluster.restart("orders", NOW - 600)
    counted = "sum by (pod) (http_server_requests_seconds_count{application='orders'})"
    values = sorted(asked(world, counted, NOW).values())
    assert values[0] < 0.01 * values[-1]


def test_a_file_that_is_no_text_is_refused(tmp_path: object) -> None:
    folder = tmp_path / "worlds"  # type: ignore[operator]
    folder.mkdir()
    (folder / "odd.yaml").write_bytes(b"title: \xff")
    with pytest.raises(WorldError, match=r"odd\.yaml"):
        load_world("odd", folder)


def test_an_autoscaler_that_is_driven_follows_the_evening_and_others_do_not() -> None:
    evening = NOW + 3 * 3600
    clock = ManualClock(evening)
    cluster = Cluster(FaultLog(), evening, blueprint=SHOP)
    world = World(clock, cluster.faults, cluster, blueprint=SHOP)
    cluster.drive_autoscalers(world.cpu_of_request)
    world.tell(Story(SHOP.get_scenario("busy_evening"), evening))
    for _ in range(20):
        clock.advance(120)
        cluster.tick(clock.now())
    assert max(count for _, count in cluster.replicas_history("storefront")) > 4
    assert {count for _, count in cluster.replicas_history("edge")} == {3}
