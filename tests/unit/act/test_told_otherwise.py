"""What an action does where the world answers otherwise than it is hoped for. In memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, Bound, Probe, bind, is_idempotent, parse_parameters
from tools.errors import (
    ActionRefusedError,
    BackendUnavailableError,
    BadArgumentError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.ports import HttpReply
from tools.world import WorkloadRef

Json = Mapping[str, Any]
DOWN = BackendUnavailableError("kubernetes", "connection refused")
NODE = WorkloadRef("default", "", "Node", "node-a")
CRON = WorkloadRef("default", "trading", "CronJob", "report")
ENDPOINT = WorkloadRef("default", "trading", "Endpoint", "ops")
URL = "https://ops.example"


# --- endpoints ----------------------------------------------------------------------------------


@dataclass
class Told:
    """An endpoint that answers with a text, or with an error once something was asked of it."""

    text: str
    after: Exception | str = ""

    closed: bool = False  # whoever may look may not change anything

    async def check(self, method: str, url: str) -> None:
        if self.closed and method != "GET":
            raise ActionRefusedError(f"{method} {url} is not allowed")

    async def call(self, method: str, url: str, body: object, key: str) -> HttpReply:
        if method == "GET" and isinstance(self.after, Exception) and not self.text:
            raise self.after
        told = self.text
        if method != "GET":
            self.text = "" if isinstance(self.after, Exception) else self.after
        return HttpReply(200, told)


async def bound_at(told: Told, name: str, **raw: Any) -> tuple[Actors, Bound]:
    actors = Actors(FakeClock(), http=told)
    state = await ACTIONS[name].observe(actors, ENDPOINT, parse_parameters(ACTIONS[name], raw))
    return actors, bind(ACTIONS[name], state)


@pytest.mark.parametrize(
    "text", ["", "no json", "null", "[]", "1", "{}", '{"members": 1}', '{"members": [1]}',
             '{"members": [{"name": "pg-1"}]}', '{"scope": "pg", "members": [{"role": "leader"}]}'],
)  # fmt: skip
async def test_what_does_not_answer_as_patroni_does_is_not_asked_for_anything(text: str) -> None:
    with pytest.raises(ActionRefusedError, match="does not answer as Patroni does"):
        await bound_at(Told(text), "database_failover", patroni_url=URL)


@pytest.mark.parametrize("text", ["", "no json", "null", "[]", '"open"', "{}"])
async def test_what_does_not_answer_as_a_breaker_does_is_not_set(text: str) -> None:
    with pytest.raises(ActionRefusedError, match="does not answer a breaker's state"):
        await bound_at(Told(text), "circuit_breaker", url=URL)


async def test_a_breaker_needs_an_address_and_patroni_too() -> None:
    for name in ("circuit_breaker", "database_failover"):
        with pytest.raises(BadArgumentError, match="of an Endpoint needs"):
            await bound_at(Told(""), name)


MEMBERS = (
    '{"scope": "pg", "members": [{"name": "pg-1", "role": "leader", "state": "running"},'
    '{"name": "pg-2", "role": "replica", "state": "streaming", "lag": 0}]}'
)


@pytest.mark.parametrize("after", [DOWN, "no json", MEMBERS.replace('"pg"', '"other"')])
async def test_a_switchover_that_nobody_can_look_at_is_unknown(after: Exception | str) -> None:
    actors, bound = await bound_at(Told(MEMBERS, after), "database_failover", patroni_url=URL)
    with pytest.raises(OutcomeUnknownError, match="'nobody' leads after"):
        await ACTIONS["database_failover"].execute(actors, bound, "k")
    assert await ACTIONS["database_failover"].probe(actors, bound, "k") is Probe.UNKNOWN


async def test_a_call_whose_effect_cannot_be_looked_at_is_unknown() -> None:
    raw = {"url": URL, "probe_url": f"{URL}/state", "probe_text": "off"}
    actors, bound = await bound_at(Told("on", DOWN), "http_call", **raw)
    with pytest.raises(OutcomeUnknownError, match=r"accepted the call, but .* cannot be read"):
        await ACTIONS["http_call"].execute(actors, bound, "k")


ASKED: Mapping[str, tuple[str, Json, str]] = {
    "database_failover": (MEMBERS, {"patroni_url": URL}, f"POST {URL}/switchover"),
    "circuit_breaker": ('{"state": "closed"}', {"url": URL}, f"PUT {URL}"),
    "http_call": ("", {"url": URL, "method": "DELETE"}, f"DELETE {URL}"),
}


@pytest.mark.parametrize("name", ASKED)
async def test_what_may_only_be_looked_at_is_refused_when_it_is_shown_and_when_it_is_tried(
    name: str,
) -> None:
    text, raw, asked = ASKED[name]
    assert ACTIONS[name].floor == (0.6 if name == "database_failover" else 0.4)
    assert is_idempotent(ACTIONS[name]) is (name != "http_call")
    with pytest.raises(ActionRefusedError, match=f"{asked} is not allowed"):
        await bound_at(Told(text, closed=True), name, **raw)
    told = Told(text)
    actors, bound = await bound_at(told, name, **raw)
    await ACTIONS[name].dry_run(actors, bound)
    told.closed = True
    with pytest.raises(ActionRefusedError, match=f"{asked} is not allowed"):
        await ACTIONS[name].dry_run(actors, bound)


async def test_a_call_whose_way_back_is_not_allowed_is_not_begun() -> None:
    raw = {"url": URL, "undo_url": f"{URL}/back", "undo_method": "PUT"}

    class OneWay(Told):
        async def check(self, method: str, url: str) -> None:
            if url.endswith("/back"):
                raise ActionRefusedError(f"{method} {url} is not allowed")

    with pytest.raises(ActionRefusedError, match=f"PUT {URL}/back is not allowed"):
        await bound_at(OneWay(""), "http_call", **raw)


async def test_what_an_endpoint_answers_is_kept_for_the_record_as_far_as_it_matters() -> None:
    actors, bound = await bound_at(Told("x" * 600), "http_call", url=URL)
    done = await ACTIONS["http_call"].execute(actors, bound, "k")
    assert done.response == {"status": 200, "text": "x" * 499 + "…"}
    swapped = (
        MEMBERS.replace("leader", "was").replace("replica", "leader").replace("was", "replica")
    )
    told = Told(MEMBERS + " " * 300, swapped)
    actors, bound = await bound_at(told, "database_failover", patroni_url=URL)
    done = await ACTIONS["database_failover"].execute(actors, bound, "k")
    assert done.detail == f"pg-2 leads {URL}"
    assert done.response == {"status": 200, "text": (MEMBERS + " " * 300)[:199] + "…"}


class Looks:
    """Patience for three looks, that says how far apart they are."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def pause(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return len(self.asked) < 3


async def test_who_leads_is_looked_at_every_two_seconds() -> None:
    actors, bound = await bound_at(Told(MEMBERS, MEMBERS), "database_failover", patroni_url=URL)
    looks = Looks()
    with pytest.raises(OutcomeUnknownError, match="'pg-1' leads after"):
        await ACTIONS["database_failover"].execute(replace(actors, waiting=looks), bound, "k")
    assert looks.asked == [2.0] * 3
    world = FakeCluster()
    status = {
        "currentPrimary": "a",
        "targetPrimary": "a",
        "instancesStatus": {"healthy": ["a", "b"]},
    }
    world.put(
        {"kind": "Cluster", "metadata": {"namespace": "data", "name": "pg"}, "status": status}
    )
    row = {"applicationName": "b", "state": "streaming", "replayLsn": "0/1"}
    world.pod_answers["a"] = {"currentLsn": "0/1", "replicationInfo": [row]}
    ref, action = WorkloadRef("default", "data", "Cluster", "pg"), ACTIONS["database_failover"]
    actors = Actors(FakeClock(), world, waiting=(looks := Looks()))
    bound = bind(action, await action.observe(actors, ref, parse_parameters(action, {})))
    with pytest.raises(OutcomeUnknownError, match="'a' is still the primary"):
        await action.execute(actors, bound, "k")
    assert looks.asked == [2.0] * 3


# --- jobs ---------------------------------------------------------------------------------------


def job_pod(name: str, created: str) -> dict[str, Any]:
    meta = {"namespace": "trading", "name": name, "creationTimestamp": created}
    return {"kind": "Pod", "metadata": {**meta, "labels": {"job-name": "to be named"}}}


class Finishing:
    """Patience in which the job ends and has these pods."""

    def __init__(self, world: FakeCluster, *pods: dict[str, Any]) -> None:
        self.world, self.pods = world, pods

    async def pause(self, seconds: float) -> bool:
        assert seconds == 2.0
        (job,) = (each for (kind, *_), each in self.world.objects.items() if kind == "Job")
        running = {"type": "Suspended", "status": "True"}, {"type": "Failed", "status": "False"}
        job["status"] = {"conditions": [*running, {"type": "Complete", "status": "True"}]}
        for pod in self.pods:
            pod["metadata"]["labels"]["job-name"] = job["metadata"]["name"]
            self.world.put(pod)
        return True


@pytest.mark.parametrize(
    ("pods", "log"),
    [
        ((), "(its pods are gone)"),
        (("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z"), "said by pod-1"),
        (("2026-11-20T11:00:00Z", "2026-11-20T10:00:00Z"), "said by pod-0"),
    ],
)
async def test_a_job_ends_with_the_words_of_its_youngest_pod(
    pods: tuple[str, ...], log: str
) -> None:
    world = FakeCluster()
    world.put(
        {
            "kind": "CronJob",
            "metadata": {"namespace": "trading", "name": "report"},
            "spec": {"jobTemplate": {"spec": {"template": {}}}},
        }
    )
    made = [job_pod(f"pod-{number}", created) for number, created in enumerate(pods)]
    world.pod_logs = {f"pod-{number}": f"said by pod-{number}" for number in range(2)}
    actors, action = Actors(FakeClock(), world), ACTIONS["run_job"]
    bound = bind(action, await action.observe(actors, CRON, parse_parameters(action, {})))
    patient = replace(actors, waiting=Finishing(world, *made))
    done = await action.execute(patient, bound, "k")
    assert (done.response["log"], done.response["status"]) == (log, "Complete")
    assert re.fullmatch(r"report-[0-9a-f]{10}", done.response["job"])


class Silent(FakeCluster):
    """A cluster whose pods tell no log."""

    why: Exception

    async def logs(self, pod: WorkloadRef, lines: int) -> str:
        raise self.why


@pytest.mark.parametrize("why", [NotFoundError("it keeps no log"), DOWN])
async def test_a_job_whose_log_cannot_be_read_is_done_all_the_same(why: Exception) -> None:
    world = Silent()
    world.why = why
    metadata = {"namespace": "trading", "name": "report"}
    world.put({"kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": {}}})
    actors, action = Actors(FakeClock(), world), ACTIONS["run_job"]
    bound = bind(action, await action.observe(actors, CRON, parse_parameters(action, {})))
    patient = replace(actors, waiting=Finishing(world, job_pod("pod-0", "")))
    done = await action.execute(patient, bound, "k")
    assert done.response["log"] == f"(its log cannot be read: {why})"
