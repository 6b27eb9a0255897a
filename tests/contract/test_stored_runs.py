"""Runs as rows: every state comes back as it was, and so do rows of the version before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import bindparam, text

from bot.domain.answer import Answer, Evidence, Usage
from bot.domain.ids import ChannelId, EvidenceId, RunId, Ts, UserId
from bot.domain.place import Place
from bot.domain.question import Question, Voice
from bot.domain.run import (
    AgentRun,
    Done,
    Failed,
    Merged,
    Queued,
    Running,
    Stopped,
    fail,
    finish,
    merge,
    start,
    stop,
)
from bot.store.schema import UtcTime
from bot.store.store import SqlStore
from tests.fixtures.nouns import MINUTE, NOW, a_queued_run, a_run, an_answer
from tools.world import Cause, ServiceName, Window

STATES: list[AgentRun] = [
    a_queued_run(),
    start(a_queued_run(), "host:1", NOW + MINUTE, "claude"),
    finish(a_run(), an_answer()),
    fail(a_run()),
    stop(a_run()),
    merge(a_queued_run(), RunId("RUN-1")),
]


@pytest.mark.parametrize("run", STATES, ids=[type(each).__name__ for each in STATES])
async def test_a_run_comes_back_as_it_was_saved(store: SqlStore, run: AgentRun) -> None:
    async with store.begin() as tx:
        await tx.runs.save(run)
        assert await tx.runs.get(run.id) == run


async def test_where_a_run_shows_is_known_after_its_end(store: SqlStore) -> None:
    async with store.begin() as tx:
        assert await tx.runs.start(a_run())
        await tx.runs.shown_in(a_run().id, Ts("1.5"))
        await tx.runs.save(finish(a_run(), an_answer()))  # the desk has not seen the message
        done = await tx.runs.get(a_run().id)
    assert isinstance(done, Done)
    assert done.stream_ts == "1.5"


# Commit 547c8bb, 0.1.0: who asked had no name, the answer was a dump of the dataclass.
FIRST_VERSION = "0002_config_versions"
WROTE = text(
    "INSERT INTO agent_runs (id, place, channel, thread_ts, trigger, question, asked_by, status,"
    " started_at, owner, heartbeat_at, stop_requested_at, stream_ts, answer, finding, model)"
    " VALUES (:id, :place, :channel, :thread_ts, :trigger, :question, :asked_by, :status,"
    " :started_at, :owner, :heartbeat_at, :stop_requested_at, :stream_ts, :answer, :finding,"
    " :model)"
).bindparams(
    *(bindparam(name, type_=UtcTime) for name in ("started_at", "heartbeat_at")),
    bindparam("stop_requested_at", type_=UtcTime),
)
AT = datetime(2026, 11, 20, 14, tzinfo=UTC)
ANSWER = (
    r'{"text":"**Order latency is 910 ms [E1].**\nConfidence: high",'
    r'"conclusion":"Order latency is 910 ms [E1].","confidence":0.9,'
    r'"causes":[{"cause":"order-api is abnormal by itself; no change, event or rule explains it",'
    r'"service":"order-api","kind":"unknown","confidence":0.4,"evidence":["E2"],'
    r'"at":"2026-11-20T13:47:00Z","remediation":[],'
    r'"reasons":["order_latency_p99 910 ms, expected 180 ms (+99.0 \u03c3)"]}],'
    r'"evidence":[{"id":"E5","tool":"recent_changes",'
    r'"arguments":{"service":"order-api","window":"3h"},'
    r'"summary":"no changes for order-api, 2026-11-20T11:00:00Z to 2026-11-20T14:00:00Z",'
    r'"at":"2026-11-20T14:00:00Z",'
    r'"window":{"start":"2026-11-20T11:00:00Z","end":"2026-11-20T14:00:00Z"},'
    r'"query":"","link":"","payload":null,"failed":false,"rest":""}],'
    r'"mode":"claude","usage":{"steps":2,"input_tokens":4558,"output_tokens":50,'
    r'"cached_tokens":0,"usd_micros":14424,"seconds":0.0},'
    r'"gaps":["loki: not configured (set LOKI_URL)"],"plan_id":null,"chart":"CHART-af098382"}'
)
ROW: dict[str, Any] = {
    "id": "RUN-a419f6d8", "place": "C1:1732099200.000100", "channel": "C1",
    "thread_ts": "1732099200.000100", "trigger": "mention",
    "question": "why is order latency up?", "asked_by": "UALICE", "status": "done",
    "started_at": AT, "owner": "host:1", "heartbeat_at": AT, "stop_requested_at": None,
    "stream_ts": "1732099201.000200", "answer": ANSWER, "finding": None, "model": "claude-sonnet-5",
}  # fmt: skip
OTHERS = [
    ROW | {"id": f"RUN-{status}", "status": status, "answer": None, "question": status}
    for status in ("queued", "running", "failed", "stopped", "merged")
]


def asked(words: str) -> Question:
    place = Place(ChannelId("C1"), Ts("1732099200.000100"))
    return Question(words, place, "mention", UserId("UALICE"), "", None, Voice("en", "UTC"))


@pytest.fixture
async def upgraded(store: SqlStore) -> SqlStore:
    """Rows of the first version, then the schema of today."""
    await store.downgrade(FIRST_VERSION)
    async with store._engine.begin() as connection:
        await connection.execute(WROTE, [ROW, *OTHERS])
    await store.upgrade()
    assert await store.begin_chain(None, NOW, NOW)  # as a start does: what stands there is sealed
    return store


async def test_an_answer_that_the_version_before_kept_is_read(upgraded: SqlStore) -> None:
    async with upgraded.begin() as tx:
        run = await tx.runs.get(RunId("RUN-a419f6d8"))
    cause = Cause(
        "order-api is abnormal by itself; no change, event or rule explains it",
        ServiceName("order-api"), "unknown", 0.4, ("E2",), AT.replace(hour=13, minute=47), (),
        ("order_latency_p99 910 ms, expected 180 ms (+99.0 σ)",),
    )  # fmt: skip
    evidence = Evidence(
        EvidenceId("E5"), "recent_changes", {"service": "order-api", "window": "3h"},
        "no changes for order-api, 2026-11-20T11:00:00Z to 2026-11-20T14:00:00Z", AT,
        Window(AT.replace(hour=11), AT),
    )  # fmt: skip
    assert run == Done(
        id=RunId("RUN-a419f6d8"), question=asked("why is order latency up?"), started_at=AT,
        owner="host:1", model="claude-sonnet-5", stream_ts=Ts("1732099201.000200"),
        answer=Answer(
            text="**Order latency is 910 ms [E1].**\nConfidence: high",
            conclusion="Order latency is 910 ms [E1].", confidence=0.9, causes=(cause,),
            evidence=(evidence,), mode="claude", usage=Usage(2, 4558, 50, 0, 14424, 0.0),
            gaps=("loki: not configured (set LOKI_URL)",), chart="CHART-af098382",
        ),
    )  # fmt: skip


async def test_what_the_version_before_left_unanswered_goes_on(upgraded: SqlStore) -> None:
    async with upgraded.begin() as tx:
        (queued,) = await tx.runs.queued()
        (running,) = await tx.runs.orphans(AT + MINUTE)
        assert await tx.runs.take_over(running, "host:2", AT + MINUTE)
        others = [await tx.runs.get(RunId(f"RUN-{n}")) for n in ("failed", "stopped", "merged")]
    assert queued == Queued(id=RunId("RUN-queued"), question=asked("queued"), started_at=AT)
    assert running == Running(
        id=RunId("RUN-running"), question=asked("running"), started_at=AT, owner="host:1",
        model="claude-sonnet-5", stream_ts=Ts("1732099201.000200"), heartbeat_at=AT,
    )  # fmt: skip
    assert [type(each) for each in others] == [Failed, Stopped, Merged]


async def test_going_back_loses_only_how_people_asked(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.runs.save(a_queued_run())
    await store.downgrade(FIRST_VERSION)
    await store.upgrade()
    assert await store.begin_chain(None, NOW, NOW)
    async with store.begin() as tx:
        (kept,) = await tx.runs.queued()
    assert kept.question.text == a_queued_run().question.text
    assert (kept.question.asker_name, kept.question.voice) == ("", Voice())
    assert kept.question.asker == "UALICE"
