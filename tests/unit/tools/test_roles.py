"""What a metric says of itself: its role, which way is bad, its limit, whom its series tell of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.metrics_and_services import CatalogueError, load_metrics
from tools.world import Direction, MetricName, MetricRole, MetricSpec, labels_of


def read(folder: Path, rest: str) -> MetricSpec:
    path = folder / "m.yaml"
    path.write_text(f"a:\n  m: {{query: up, unit: s, description: d{rest}}}\n", encoding="utf-8")
    return load_metrics(path)[MetricName("m")]


@pytest.mark.parametrize(
    ("said", "role", "direction"),
    [
        (", role: latency", MetricRole.LATENCY, Direction.UP),
        (", role: availability", MetricRole.AVAILABILITY, Direction.DOWN),
        (", role: traffic", MetricRole.TRAFFIC, Direction.DOWN),
        (", role: availability, bad_direction: up", MetricRole.AVAILABILITY, Direction.UP),
        (", bad_direction: both", None, Direction.BOTH),
        ("", None, Direction.UP),
    ],
)
def test_a_metric_that_does_not_say_which_way_is_bad_has_the_way_of_its_role(
    tmp_path: Path, said: str, role: MetricRole | None, direction: Direction
) -> None:
    spec = read(tmp_path, said)
    assert (spec.role, spec.bad_direction) == (role, direction)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (", role: latancy", r"m.yaml:2:\d+: role 'latancy': .* Did you mean 'latency'"),
        (", role: latency, resource: cpu", "resource 'cpu' says what is full; write `role: satur"),
        (", group_by: 'le}'", r"group_by 'le}': .*match"),
        (", resource: CPU load", "resource 'CPU load': .*match"),
    ],
)
def test_what_a_metric_cannot_be_is_named_at_its_place(
    tmp_path: Path, said: str, complaint: str
) -> None:
    with pytest.raises(CatalogueError, match=complaint):
        read(tmp_path, said)


def test_the_label_that_groups_a_metric_names_the_service() -> None:
    spec = MetricSpec(MetricName("m"), "a", "up", "s", "", group_by="app")
    assert spec.service_of(labels_of({"app": "checkout", "service": "mesh"})) == "checkout"
    assert spec.service_of(labels_of({"service": "checkout"})) == "checkout"
    assert spec.service_of(labels_of({"le": "1"})) == ""


@pytest.mark.parametrize(
    ("direction", "value", "beyond"),
    [
        (Direction.UP, 0.6, True),
        (Direction.UP, 0.5, False),
        (Direction.DOWN, 0.4, True),
        (Direction.DOWN, 0.6, False),
        (Direction.BOTH, -0.6, True),
        (Direction.BOTH, 0.4, False),
        (Direction.UP, float("nan"), False),
    ],
)
def test_a_limit_is_crossed_in_the_bad_direction(
    direction: Direction, value: float, beyond: bool
) -> None:
    spec = MetricSpec(MetricName("m"), "a", "up", "s", "", direction, threshold=0.5)
    assert spec.is_beyond(value) is beyond
    assert not MetricSpec(MetricName("m"), "a", "up", "s", "", direction).is_beyond(value)
