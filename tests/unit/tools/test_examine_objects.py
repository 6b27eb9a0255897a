"""Objects are read from the cluster, examined, and become causes that the investigator ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.core.investigation.investigator.diagnosis import Observed
from bot.core.investigation.investigator.objects import unwell_objects
from bot.core.investigation.investigator.reasoning import reason
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fixtures.profile import trading_catalogue
from tests.unit.core.test_telling import VERDICT, asked
from tests.unit.doctor.worlds import NOW, SPACE, Lab
from tools.analysis.symptoms import SeenChange, SeenPattern, SeenVerdict
from tools.contract import ToolResult
from tools.errors import BackendDeniedError, NotFoundError
from tools.observe.objects import examine_objects
from tools.world import (
    Catalogue,
    Cause,
    Change,
    ChangeKind,
    ServiceName,
    ServiceSpec,
    Window,
    WorkloadRef,
)

HOUR = timedelta(hours=1)
BACK, FRONT = ServiceName("back"), ServiceName("front")
CATALOGUE = Catalogue(
    {},
    {
        name: ServiceSpec(
            name, SPACE, (WorkloadRef("", SPACE, "Deployment", name),), dependencies=calls
        )
        for name, calls in ((FRONT, (BACK,)), (BACK, ()))
    },
)


class Listing(FakeCluster):
    """A cluster that serves the lab and refuses what `refused` names."""

    def __init__(self, lab: Lab, refused: Mapping[str, Exception] | None = None) -> None:
        super().__init__(
            [{"kind": kind, **item} for kind, items in lab.objects.items() for item in items]
        )
        self.event_list = lab.events
        self.refused = refused or {}

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        if kind in self.refused:
            raise self.refused[kind]
        return await super().list(kind, namespace, selector)


async def examined(cluster: FakeCluster, service: str = "") -> ToolResult:
    clock = FakeClock(NOW)
    result: ToolResult = await examine_objects.function(cluster, clock, CATALOGUE, service=service)
    return result


def causes_of(*asked_about: str, **seen: object) -> list[Cause]:
    intent = replace(
        asked(trading_catalogue(), "is all well?"),
        services=tuple(map(ServiceName, asked_about)), metrics=(), window=Window.ending(NOW, HOUR),
    )  # fmt: skip
    observed = Observed(**seen)  # type: ignore[arg-type]
    return list(reason(intent, observed, CATALOGUE, (), {}).causes)


def crashed(lab: Lab) -> Lab:
    lab.ended(137, "OOMKilled")
    return lab


async def test_a_service_is_examined_with_all_that_it_calls() -> None:
    result = await examined(Listing(crashed(Lab())), "front")
    rows = {(row["reason"], row["service"]) for row in result.payload["signs"]}
    assert ("oom-killed", "back") in rows
    assert f"START oom-killed {SPACE}/Deployment/back" in result.summary


async def test_what_may_not_be_read_is_named_and_what_is_not_served_is_no_gap() -> None:
    denied = BackendDeniedError("kubernetes", "may not list nodes")
    refused = {"Node": denied, "Ingress": NotFoundError("no such kind")}
    result = await examined(Listing(crashed(Lab()), refused))
    assert result.summary.count("NOT LOOKED AT") == 1
    assert "may not list nodes" in result.summary
    assert "oom-killed" in result.summary


async def test_an_object_is_the_cause_and_its_symptoms_deny_that_all_is_well() -> None:
    told = [(one, "E1") for one in (await examined(Listing(crashed(Lab())))).value]
    (cause, *_) = causes_of(examined=told)
    assert (cause.service, cause.kind, cause.evidence) == (BACK, "object", ("E1",))
    assert "out of memory" in cause.cause
    assert cause.proved
    shown = {found.by.name for found, _ in unwell_objects(told, (BACK,))}
    assert shown == {"crash-loop", "replicas-missing", "service-without-ready-pods"}
    assert unwell_objects(told, (FRONT,)) == []


async def test_a_healthy_cluster_gives_no_cause_and_shows_nothing() -> None:
    told = [(one, "E1") for one in (await examined(Listing(Lab()))).value]
    assert (causes_of(examined=told), unwell_objects(told, ())) == ([], [])


@pytest.mark.parametrize(("before", "kind"), [(3, "deploy"), (40, "object"), (-4.5, "object")])
async def test_a_change_shortly_before_is_what_is_behind_it(before: float, kind: str) -> None:
    lab = crashed(Lab())
    end = lab.pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    began = NOW - timedelta(minutes=5)
    end["startedAt"] = began.isoformat()
    told = [(one, "E1") for one in (await examined(Listing(lab))).value]
    at = began - timedelta(minutes=before)
    deploy = Change(at, ChangeKind.DEPLOY, "back", "back 1 → 2", before="1", after="2")
    causes = causes_of(changes=[SeenChange(deploy, "E2")], examined=told)
    assert causes[0].kind == kind
    assert "E1" in causes[0].evidence


async def test_lines_of_a_caller_make_a_cause_of_a_way_that_leads_nowhere() -> None:
    lab = Lab()
    lab.get("Pod", "front-1-a")["spec"]["containers"][0]["env"] = [
        {"name": "ATTIC", "value": "attic:80"}
    ]
    told = [(one, "E1") for one in (await examined(Listing(lab))).value]
    line = "dial tcp: lookup attic on 10.0.0.2:53: no such host"
    pattern = SeenPattern(FRONT, line, line, 12, "error", is_burst=True, evidence="E3")
    assert not any(cause.proved for cause in causes_of(examined=told))
    first = causes_of(examined=told, patterns=[pattern])[0]
    assert (first.kind, first.service, first.proved) == ("object", FRONT, True)
    assert "attic" in first.cause


@pytest.mark.parametrize(("abnormal", "proved"), [("front", True), ("back", True), ("far", False)])
async def test_an_object_proves_nothing_about_services_that_do_not_depend_on_it(
    abnormal: str, proved: bool
) -> None:
    told = [(one, "E1") for one in (await examined(Listing(crashed(Lab())))).value]
    slow = replace(VERDICT, service=ServiceName(abnormal), started_at=NOW)
    causes = causes_of(abnormal, verdicts=[SeenVerdict(slow, "E2")], examined=told)
    of_object = [cause for cause in causes if cause.kind == "object"]
    assert [cause.proved for cause in of_object] == ([True] if proved else [])


@pytest.mark.parametrize(("asked_about", "found"), [("front", 1), ("back", 1), ("far", 0)])
async def test_a_question_about_one_service_is_not_answered_with_anothers_trouble(
    asked_about: str, found: int
) -> None:
    told = [(one, "E1") for one in (await examined(Listing(crashed(Lab())))).value]
    causes = causes_of(asked_about, examined=told)
    assert len([cause for cause in causes if cause.kind == "object"]) == found


async def test_where_the_pods_of_a_service_run_is_known() -> None:
    (one,) = (await examined(Listing(Lab()))).value
    assert one.placed() == {"front": {"worker"}, "back": {"worker"}}
