"""What the store promises, told on SQLite and on PostgreSQL alike."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from bot.core.ports import (
    ApiToken,
    Detour,
    Feedback,
    HeldBack,
    Mute,
    PlanRecord,
    StaleError,
)
from bot.domain import run as runs
from bot.domain.access import Scope
from bot.domain.alert import AlertEnding, acknowledge_alert, end_unheard, mark_false_alert
from bot.domain.anomaly import Acknowledged, FalseAlarm, Resolved, acknowledge, mark_false_alarm
from bot.domain.answer import Usage
from bot.domain.audit import Event
from bot.domain.heartbeat import Heartbeat, beat
from bot.domain.ids import (
    AlertId,
    ChannelId,
    EvidenceId,
    IncidentId,
    PlanId,
    PostmortemId,
    RunId,
    Ts,
)
from bot.domain.incident import (
    Declared,
    IncidentResolved,
    IncidentState,
    InHand,
    MergedInto,
    Paged,
    PartKind,
    StoryPart,
    TimelineEntry,
    resolve,
)
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved, Expired, Pending, Rejected, Withdrawn, approve
from bot.domain.plans.plan import PlanStatus, Position
from bot.domain.plans.step_run import (
    StepFailed,
    StepIntended,
    StepUnknown,
    finish,
    send,
    send_again,
)
from bot.domain.postmortem import ActionItem, Postmortem
from bot.store.schema import Base
from bot.store.store import SqlStore, open_store
from tests.fixtures.keys import KEYRING
from tests.fixtures.nouns import (
    ALICE,
    BOB,
    MINUTE,
    NOW,
    PLACE,
    TARGET,
    a_baseline,
    a_finding,
    a_queued_run,
    a_record,
    a_run,
    a_state,
    an_alert,
    an_anomaly,
    an_answer,
    an_incident,
)
from tools.errors import NotFoundError
from tools.world import Change, ChangeKind, Window

LEASE = timedelta(seconds=30)


@pytest.fixture
async def second(store: SqlStore, database_url: str) -> AsyncIterator[SqlStore]:
    """Another process' store on the same database."""
    opened = await open_store(database_url, KEYRING)
    yield opened
    await opened.close()


def plan_approved(at_step: str = "plan.approved", private: str = "") -> Event:
    return Event(at_step, NOW, ALICE, "PLAN-000001", facts={"tier": "auto"}, private=private)


# --- the schema ---------------------------------------------------------------------------


async def test_the_migrations_build_the_very_tables_that_the_code_declares(store: SqlStore) -> None:
    def differences(connection: Connection) -> list:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    def where_of_partial_indexes(connection: Connection) -> dict:
        found = {}
        for table in inspect(connection).get_table_names():
            for index in inspect(connection).get_indexes(table):
                options = index.get("dialect_options", {})
                if where := [str(v) for k, v in options.items() if k.endswith("_where")]:
                    found[index["name"]] = where
        return found

    async with store._engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        partial = await connection.run_sync(where_of_partial_indexes)
    declared = {
        index.name
        for table in Base.metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }
    assert set(partial) == declared


async def test_upgrading_twice_and_downgrading_to_nothing_both_work(store: SqlStore) -> None:
    await store.upgrade()
    await store.downgrade("base")
    async with store._engine.connect() as connection:
        left = await connection.run_sync(lambda c: inspect(c).get_table_names())
    assert left == ["alembic_version"]
    await store.upgrade()
    async with store.begin() as tx:
        assert await tx.inbox.backlog() == 0


async def test_replicas_that_upgrade_at_once_take_turns(empty_database_url: str) -> None:
    replicas = [await open_store(empty_database_url, KEYRING) for _ in range(4)]
    await asyncio.gather(*(replica.upgrade() for replica in replicas))
    assert all([await replica.healthy() for replica in replicas])
    for replica in replicas:
        await replica.close()


async def test_an_exception_takes_state_outbox_and_audit_back_together(store: SqlStore) -> None:
    async def fail_at_the_end() -> None:
        async with store.begin() as tx:
            await tx.plans.add(a_record())
            await tx.outbox.post("plan:1", "plan", "PLAN-000001", PLACE)
            await tx.audit.append(plan_approved(private="because"))
            assert await tx.incidents.next_id(2026) == "INC-2026-0001"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_at_the_end()
    async with store.begin() as tx:
        with pytest.raises(NotFoundError):
            await tx.plans.get(PlanId("PLAN-000001"))
        assert await tx.outbox.find("plan:1") is None
        assert await tx.audit.tail() == []
        assert await tx.incidents.next_id(2026) == "INC-2026-0001"


async def test_a_read_sees_what_is_committed_while_a_transaction_is_open(
    store: SqlStore, second: SqlStore
) -> None:
    async with store.begin() as tx:
        await tx.flags.set("halt", "on", ALICE, NOW)
        async with second.read() as snapshot:
            assert await snapshot.flags.get("halt") == ""
        assert await second.healthy()


async def test_a_read_cannot_write(store: SqlStore) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        async with store.read() as snapshot:
            await snapshot.flags.set("halt", "on", ALICE, NOW)
    async with store.begin() as tx:
        await tx.flags.set("halt", "on", ALICE, NOW)
        assert await tx.flags.get("halt") == "on"


# --- inbox --------------------------------------------------------------------------------


async def test_an_envelope_delivered_twice_is_one_item(store: SqlStore) -> None:
    body = {"text": "lone \ud83d half, NUL \0, grün", "nested": [1.5, None, {"a": True}]}
    async with store.begin() as tx:
        assert await tx.inbox.add("Ev1", "event", body, NOW)
        assert not await tx.inbox.add("Ev1", "event", {}, NOW)
        assert await tx.inbox.backlog() == 1
        item = await tx.inbox.claim("a", NOW, LEASE)
    assert item is not None
    assert (item.body, item.received_at, item.attempts) == (body, NOW, 1)


async def test_two_processes_claim_each_item_once(store: SqlStore, second: SqlStore) -> None:
    async with store.begin() as tx:
        for number in range(30):
            await tx.inbox.add(f"Ev{number}", "event", {}, NOW)

    async def work(mine: SqlStore, owner: str) -> list[int]:
        claimed: list[int] = []
        while True:
            async with mine.begin() as tx:
                item = await tx.inbox.claim(owner, NOW, LEASE)
            if item is None:
                return claimed
            claimed.append(item.id)

    rounds = await asyncio.gather(
        *(work(mine, f"{n}") for n, mine in enumerate([store, second] * 3))
    )
    every = [item for claimed in rounds for item in claimed]
    assert sorted(every) == list(range(1, 31))
    assert all(claimed == sorted(claimed) for claimed in rounds)


async def test_two_operating_system_processes_claim_each_item_once(
    store: SqlStore, database_url: str
) -> None:
    async with store.begin() as tx:
        for number in range(20):
            await tx.inbox.add(f"Ev{number}", "event", {}, NOW)
    program = """
import asyncio, sys
from datetime import datetime, timedelta
from bot.domain.keyring import Keyring
from bot.store.store import open_store
async def main(url, at):
    store = await open_store(url, Keyring(b"k" * 32))
    while True:
        async with store.begin() as tx:
            item = await tx.inbox.claim("x", at, timedelta(minutes=5))
        if item is None:
            break
        print(item.id)
    await store.close()
asyncio.run(main(sys.argv[1], datetime.fromisoformat(sys.argv[2])))
"""
    arguments = (sys.executable, "-c", program, database_url, NOW.isoformat())
    pipe = asyncio.subprocess.PIPE
    started = [await asyncio.create_subprocess_exec(*arguments, stdout=pipe) for _ in range(2)]
    told = [(await process.communicate())[0] for process in started]
    assert sorted(int(line) for out in told for line in out.split()) == list(range(1, 21))


async def test_a_lease_that_ran_out_lets_another_process_take_the_item(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.inbox.add("Ev1", "event", {}, NOW)
        first = await tx.inbox.claim("a", NOW, LEASE)
        assert first is not None
        assert await tx.inbox.renew(first.id, "a", NOW + 2 * LEASE)
        assert await tx.inbox.claim("b", NOW + LEASE, LEASE) is None
        taken = await tx.inbox.claim("b", NOW + 2 * LEASE, LEASE)
        assert taken is not None
        assert taken.attempts == 2
        assert not await tx.inbox.renew(first.id, "a", NOW + 9 * LEASE)
        await tx.inbox.done(first.id, NOW)
        assert await tx.inbox.claim("a", NOW + 9 * LEASE, LEASE) is None


async def test_a_failed_item_comes_back_at_its_time_and_a_parked_one_does_not(
    store: SqlStore,
) -> None:
    async with store.begin() as tx:
        await tx.inbox.add("Ev1", "event", {}, NOW)
        item = await tx.inbox.claim("a", NOW, LEASE)
        assert item is not None
        await tx.inbox.failed(item.id, "model is down", NOW + MINUTE)
        assert await tx.inbox.claim("a", NOW, LEASE) is None
        assert await tx.inbox.claim("a", NOW + MINUTE, LEASE) is not None
        await tx.inbox.failed(item.id, "cannot be read", None)
        assert await tx.inbox.claim("a", NOW + 60 * MINUTE, LEASE) is None
        assert await tx.inbox.backlog() == 0


# --- outbox -------------------------------------------------------------------------------


async def test_the_same_key_twice_is_one_message(store: SqlStore, second: SqlStore) -> None:
    async def ask(mine: SqlStore) -> str:
        async with mine.begin() as tx:
            return await tx.outbox.post("finding:1", "finding", "FND-1", PLACE, {"n": 1})

    ids = await asyncio.gather(*(ask(mine) for mine in [store, second] * 3))
    assert len(set(ids)) == 1
    async with store.begin() as tx:
        assert len(await tx.outbox.of("finding", "FND-1")) == 1
        assert await tx.outbox.backlog() == 1


async def test_posts_of_a_channel_leave_in_order_and_channels_do_not_wait_for_each_other(
    store: SqlStore,
) -> None:
    other = Place(ChannelId("C2"))
    async with store.begin() as tx:
        for key, place in (("a", PLACE), ("b", PLACE), ("c", other)):
            await tx.outbox.post(key, "notice", key, place)
        first = await tx.outbox.claim("x", NOW, LEASE)
        assert first is not None
        assert first.ref == "a"
        across = await tx.outbox.claim("y", NOW, LEASE)
        assert across is not None
        assert across.ref == "c"
        assert await tx.outbox.claim("z", NOW, LEASE) is None
        await tx.outbox.failed(first.id, "ratelimited", NOW, NOW + MINUTE)
        assert await tx.outbox.claim("z", NOW, LEASE) is None
        again = await tx.outbox.claim("z", NOW + MINUTE, LEASE)
        assert again is not None
        assert (again.ref, again.attempts) == ("a", 2)
        await tx.outbox.held(first.id, "channel_not_found", NOW, None)
        after = await tx.outbox.claim("z", NOW + MINUTE, LEASE)
        assert after is not None
        assert after.ref == "b"


async def test_neither_what_is_refused_nor_what_is_tried_for_long_holds_the_others_back(
    store: SqlStore,
) -> None:
    async with store.begin() as tx:
        for key in "abc":
            await tx.outbox.post(key, "notice", key, PLACE)
        first = await tx.outbox.claim("x", NOW, LEASE)
        assert first is not None
        await tx.outbox.failed(first.id, "a_new_word", NOW, NOW + 99 * MINUTE, refused=True)
        for again in range(8):
            at = NOW + again * MINUTE
            row = await tx.outbox.claim("x", at, LEASE)
            assert row is not None
            assert row.ref == "b"
            assert await tx.outbox.claim("x", at, LEASE) is None
            await tx.outbox.failed(row.id, "unreachable", at, at + MINUTE)
        for ref in "bc":
            row = await tx.outbox.claim("x", NOW + 8 * MINUTE, LEASE)
            assert row is not None
            assert row.ref == ref


async def test_what_no_way_is_left_for_is_told_by_channel_and_tried_again(store: SqlStore) -> None:
    async with store.begin() as tx:
        for key in "ab":
            await tx.outbox.post(key, "notice", key, PLACE)
            row = await tx.outbox.claim("x", NOW, LEASE)
            assert row is not None
            await tx.outbox.held(row.id, f"is_archived {key}", NOW, NOW + MINUTE)
        assert await tx.outbox.claim("x", NOW, LEASE) is None
        (told,) = await tx.outbox.held_back(NOW - MINUTE, NOW - MINUTE)
        assert told == HeldBack(PLACE.channel, 2, NOW, "is_archived b")
        row = await tx.outbox.claim("x", NOW + MINUTE, LEASE)
        assert row is not None
        await tx.outbox.posted(row.id, Ts("1.1"), NOW + MINUTE)
        (told,) = await tx.outbox.held_back(NOW - MINUTE, NOW - MINUTE)
        assert told.count == 1


async def test_a_message_goes_elsewhere_and_those_below_it_follow(store: SqlStore) -> None:
    meant = Detour(PLACE.channel, None, "is_archived")
    async with store.begin() as tx:
        await tx.outbox.post("root", "notice", "root", Place(PLACE.channel))
        await tx.outbox.post("below", "notice", "below", Place(PLACE.channel), behind="root")
        row = await tx.outbox.claim("x", NOW, LEASE)
        assert row is not None
        await tx.outbox.sending(row.id, NOW)
        await tx.outbox.moved(row.id, Place(ChannelId("C2")), meant, NOW, "is_archived")
        moved = await tx.outbox.claim("x", NOW, LEASE)
        assert moved is not None
        assert (moved.channel, moved.meant, moved.sent_at) == ("C2", meant, None)
        await tx.outbox.posted(moved.id, Ts("7.7"), NOW)
        below = await tx.outbox.claim("x", NOW, LEASE)
        assert below is not None
        assert (below.ref, below.channel, below.thread_ts) == ("below", "C2", "7.7")
        assert await tx.outbox.told_elsewhere(NOW) == [
            HeldBack(PLACE.channel, 1, NOW, "is_archived")
        ]
        assert [r.event.kind for r in await tx.audit.tail()].count("outbox.moved") == 1
        with pytest.raises(StaleError, match=r"message 7\.7 already"):  # by a process that slept
            await tx.outbox.moved(row.id, Place(ChannelId("C3")), meant, NOW, "is_archived")
        there = await tx.outbox.find("root")
        assert there is not None
        assert (there.channel, there.ts) == ("C2", "7.7")


async def test_a_reply_waits_for_the_message_above_it_and_takes_its_ts(store: SqlStore) -> None:
    channel = Place(ChannelId("C1"))
    async with store.begin() as tx:
        await tx.outbox.post("early", "notice", "early", channel, behind="root")
        await tx.outbox.post("root", "finding", "FND-1", channel)
        await tx.outbox.post("reply", "notice", "reply", channel, behind="root")
        root = await tx.outbox.claim("x", NOW, LEASE)
        assert root is not None
        assert root.ref == "FND-1"
        assert await tx.outbox.claim("x", NOW, LEASE) is None
        await tx.outbox.sending(root.id, NOW)
        await tx.outbox.posted(root.id, Ts("100.1"), NOW)
        for ref in ("early", "reply"):
            row = await tx.outbox.claim("x", NOW, LEASE)
            assert row is not None
            assert (row.ref, row.thread_ts) == (ref, "100.1")
            await tx.outbox.posted(row.id, Ts(f"100.{ref}"), NOW)
        await tx.outbox.post("below", "notice", "below", channel, behind="reply")
        below = await tx.outbox.claim("x", NOW, LEASE)
        assert below is not None
        assert below.thread_ts == "100.1"


async def test_a_refresh_before_the_post_only_changes_what_is_posted(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("p", "plan", "PLAN-1", PLACE, {"n": 1})
        assert await tx.outbox.refresh("plan", "PLAN-1", {"n": 2}) == 1
        row = await tx.outbox.claim("x", NOW, LEASE)
        assert row is not None
        assert row.body == {"n": 2}
        await tx.outbox.posted(row.id, Ts("1.1"), NOW)
        assert await tx.outbox.claim("x", NOW, LEASE) is None
        assert await tx.outbox.backlog() == 0


async def test_a_refresh_during_a_post_or_an_update_is_shown_afterwards(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("p", "plan", "PLAN-1", PLACE, {"n": 1})
        row = await tx.outbox.claim("x", NOW, LEASE)
        assert row is not None
        await tx.outbox.refresh("plan", "PLAN-1")
        await tx.outbox.posted(row.id, Ts("1.1"), NOW)
        dirty = await tx.outbox.claim("x", NOW, LEASE)
        assert dirty is not None
        assert (dirty.ts, dirty.body) == ("1.1", {"n": 1})
        await tx.outbox.refresh("plan", "PLAN-1", {"n": 3})
        await tx.outbox.updated(row.id, NOW)
        last = await tx.outbox.claim("x", NOW, LEASE)
        assert last is not None
        assert last.body == {"n": 3}
        await tx.outbox.updated(row.id, NOW)
        found = await tx.outbox.at(PLACE.channel, Ts("1.1"))
        assert found is not None
        assert await tx.outbox.claim("x", NOW, LEASE) is None


async def test_a_post_that_was_attempted_says_so_to_the_next_process(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("p", "plan", "PLAN-1", PLACE)
        row = await tx.outbox.claim("x", NOW, LEASE)
        assert row is not None
        await tx.outbox.sending(row.id, NOW)
        await tx.outbox.uploaded(row.id, "F1")
        taken = await tx.outbox.claim("y", NOW + LEASE, LEASE)
        assert taken is not None
        assert (taken.id, taken.sent_at, taken.file_id) == (row.id, NOW, "F1")
        await tx.outbox.posted(row.id, Ts("1.1"), NOW)
        await tx.outbox.posted(row.id, Ts("1.1"), NOW)
        with pytest.raises(StaleError, match=r"message 1\.1 already"):
            await tx.outbox.posted(row.id, Ts("2.2"), NOW)


# --- agent runs ---------------------------------------------------------------------------


async def test_a_thread_has_one_running_run(store: SqlStore, second: SqlStore) -> None:
    async def start(mine: SqlStore, number: int) -> bool:
        async with mine.begin() as tx:
            return await tx.runs.start(a_run(f"RUN-{number}"))

    started = await asyncio.gather(*(start([store, second][n % 2], n) for n in range(6)))
    assert sum(started) == 1
    async with store.begin() as tx:
        running = await tx.runs.running_in(PLACE)
        assert running is not None
        done = runs.finish(running, an_answer())
        await tx.runs.save(done)
        assert await tx.runs.running_in(PLACE) is None
        assert await tx.runs.get(running.id) == done


async def test_a_queued_run_starts_when_the_thread_is_free(store: SqlStore) -> None:
    async with store.begin() as tx:
        assert await tx.runs.start(a_run("RUN-1"))
        second = a_run("RUN-2")
        assert not await tx.runs.start(second)
        await tx.runs.save(a_queued_run("RUN-2"))
        assert [run.id for run in await tx.runs.queued(PLACE)] == ["RUN-2"]
        assert await tx.runs.queued(trigger="dm") == []
        assert not await tx.runs.start(second)
        await tx.runs.save(runs.finish(a_run("RUN-1"), an_answer()))
        assert await tx.runs.start(second)
        assert await tx.runs.queued() == []
        with pytest.raises(StaleError, match="mint another id"):
            await tx.runs.start(a_run("RUN-1", Place(ChannelId("C9"))))
        with pytest.raises(StaleError, match="another run"):
            await tx.runs.save(a_run("RUN-1"))


async def test_a_stop_survives_a_save_by_a_process_that_has_not_seen_it(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.runs.start(a_run())
        assert await tx.runs.request_stop(RunId("RUN-000001"), NOW)
        await tx.runs.save(a_run())
        await tx.runs.heartbeat(RunId("RUN-000001"), NOW + MINUTE)
        beaten = await tx.runs.running_in(PLACE)
        assert beaten is not None
        assert (beaten.stop_requested_at, beaten.heartbeat_at) == (NOW, NOW + MINUTE)
        await tx.runs.save(runs.stop(a_run()))
        assert not await tx.runs.request_stop(RunId("RUN-000001"), NOW)


async def test_an_orphan_is_taken_over_by_one_process(store: SqlStore, second: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.runs.start(a_run())
        assert await tx.runs.orphans(NOW) == []
        (orphan,) = await tx.runs.orphans(NOW + MINUTE)

    async def take(mine: SqlStore, owner: str) -> bool:
        async with mine.begin() as tx:
            return await tx.runs.take_over(orphan, owner, NOW + MINUTE)

    assert sorted(await asyncio.gather(take(store, "b"), take(second, "c"))) == [False, True]


async def test_a_conversation_is_told_back_as_it_was_and_in_order(store: SqlStore) -> None:
    content = [{"type": "thinking", "signature": "x==", "n": 1.0}, {"type": "text", "text": "\0"}]
    async with store.begin() as tx:
        for number in range(5):
            run = RunId(f"RUN-{number}")
            under = {"vault": f"setting {number}"}
            for role, said in (("user", f"m{number}"), ("assistant", content)):
                await tx.conversation.append(PLACE, role, said, run, NOW, read_under=under)
        elsewhere = Place(ChannelId("C9"))
        await tx.conversation.append(elsewhere, "user", "no", RunId("RUN-9"), NOW, read_under={})
        told = await tx.conversation.history(PLACE, runs=2)
    assert [m["content"] for m in told] == ["m3", content, "m4", content]
    assert [m["read_under"]["vault"][-1] for m in told] == ["3", "3", "4", "4"]


async def test_fifty_concurrent_tool_calls_are_numbered_without_gaps_or_twins(
    store: SqlStore, second: SqlStore
) -> None:
    async def call(number: int) -> str:
        async with [store, second][number % 2].begin() as tx:
            added = await tx.evidence.add(
                PLACE, RunId("RUN-1"), tool="query_metric", arguments={"metric": "cpu"},
                summary=f"call {number}", at=NOW, window=Window(NOW - MINUTE, NOW),
                payload={"values": [1.0, float("nan")], "array": np.arange(2)},
            )  # fmt: skip
            return added.id

    ids = await asyncio.gather(*(call(number) for number in range(50)))
    assert sorted(ids, key=lambda i: int(i[1:])) == [f"E{n}" for n in range(1, 51)]
    async with store.begin() as tx:
        assert [e.id for e in await tx.evidence.of_run(RunId("RUN-1"))] == [
            f"E{n}" for n in range(1, 51)
        ]
        one = await tx.evidence.get(PLACE, EvidenceId("E7"))
        assert one.window == Window(NOW - MINUTE, NOW)
        assert one.payload["array"] == [0, 1]
        with pytest.raises(NotFoundError, match="there is no evidence 'E51'"):
            await tx.evidence.get(PLACE, EvidenceId("E51"))
        elsewhere = await tx.evidence.add(
            Place(ChannelId("C9")), RunId("RUN-2"), tool="t", arguments={}, summary="s", at=NOW
        )
        assert elsewhere.id == "E1"


async def test_money_is_summed_per_person_and_since_a_time(store: SqlStore) -> None:
    def used(micros: int) -> Usage:
        return Usage(3, 100, 20, 10, micros, 1.5)

    async with store.begin() as tx:
        await tx.usage.add(RunId("RUN-1"), ALICE, "claude", used(3_000_000_000), NOW)
        await tx.usage.add(RunId("RUN-1"), ALICE, "claude", used(3_000_000_000), NOW)
        await tx.usage.add(RunId("RUN-2"), None, "claude", used(5), NOW)
        await tx.usage.add(RunId("RUN-3"), ALICE, "claude", used(7), NOW - 60 * MINUTE)
        assert (await tx.usage.spent(NOW)).usd_micros == 3_000_000_005
        mine = await tx.usage.spent(NOW - 60 * MINUTE, ALICE)
        assert (mine.usd_micros, mine.runs, mine.input_tokens) == (3_000_000_007, 2, 200)
        assert (await tx.usage.spent(NOW + MINUTE)).runs == 0


# --- detection, incidents, plans ----------------------------------------------------------


async def test_a_series_has_one_active_anomaly(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.anomalies.save(an_anomaly("ANO-1"))
        with pytest.raises(StaleError, match="order_latency_p99"):
            await tx.anomalies.save(an_anomaly("ANO-2"))
        ended = replace(an_anomaly("ANO-1"), state=Resolved(NOW))
        await tx.anomalies.save(ended)
        await tx.anomalies.save(an_anomaly("ANO-2"))
        assert [a.id for a in await tx.anomalies.active()] == ["ANO-2"]
        assert len(await tx.anomalies.list(active_only=False)) == 2
        assert await tx.anomalies.list(category="wallet") == []
        assert await tx.anomalies.list(severity="low") == []
        assert len(await tx.anomalies.list(severity="critical", since=NOW)) == 1


async def test_an_alert_has_one_spell_that_fires_and_keeps_those_before(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.alerts.save(an_alert("ALR-1"))
        with pytest.raises(StaleError, match="PodDown fires already"):
            await tx.alerts.save(an_alert("ALR-2"))
        over = end_unheard(an_alert("ALR-1"), NOW, AlertEnding.EXPIRED)
        await tx.alerts.save(over)
        assert await tx.alerts.latest(over.fingerprint) == over
        anew = replace(an_alert("ALR-2"), started_at=NOW - 2 * MINUTE)
        await tx.alerts.save(anew)
        assert await tx.alerts.latest(anew.fingerprint) == anew  # what fires goes before what began
        assert await tx.alerts.active() == [anew]
        assert await tx.alerts.get(over.id) == over
        assert [a.id for a in await tx.alerts.list(active_only=False)] == ["ALR-1", "ALR-2"]
        assert await tx.alerts.list(severity="low") == []
        assert await tx.alerts.latest("nothing") is None
        with pytest.raises(NotFoundError, match="ALR-2"):
            await tx.alerts.get(AlertId("ALR-3"))


async def test_what_people_say_of_an_alert_is_read_back_as_they_said_it(store: SqlStore) -> None:
    seen = acknowledge_alert(an_alert("ALR-1"), ALICE, NOW)
    wrong = mark_false_alert(an_alert("ALR-2", "DiskFull"), BOB, NOW)
    async with store.begin() as tx:
        await tx.alerts.save(seen)
        await tx.alerts.save(wrong)
        assert await tx.alerts.get(seen.id) == seen
        assert await tx.alerts.get(wrong.id) == wrong


async def test_a_heartbeat_is_kept_with_what_was_learned_of_it(store: SqlStore) -> None:
    known = Heartbeat("k", "Watchdog", (("a", "b"),), NOW, (60.0, 61.5), alert=AlertId("ALR-1"))
    async with store.begin() as tx:
        await tx.alerts.save_heartbeat(known)
        assert await tx.alerts.heartbeats() == [known]
        await tx.alerts.save_heartbeat(beat(known, NOW + MINUTE))
        assert await tx.alerts.heartbeats() == [beat(known, NOW + MINUTE)]


async def test_an_acknowledged_anomaly_is_not_read_back_as_a_false_alarm(store: SqlStore) -> None:
    seen = acknowledge(an_anomaly("ANO-1"), ALICE, NOW)
    wrong = mark_false_alarm(an_anomaly("ANO-2", "cpu_usage"), BOB, NOW)
    async with store.begin() as tx:
        await tx.anomalies.save(seen)
        await tx.anomalies.save(wrong)
        assert (await tx.anomalies.get(seen.id)).state == Acknowledged(ALICE, NOW)
        assert (await tx.anomalies.get(wrong.id)).state == FalseAlarm(BOB, NOW)
        back = await tx.anomalies.get(seen.id)
    assert np.isnan(back.first.expected)
    assert back.fingerprint == seen.fingerprint
    assert back.first.votes == seen.first.votes


async def test_an_unknown_id_is_answered_with_the_nearest_one(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.plans.add(a_record("PLAN-9c01d4"))
        with pytest.raises(NotFoundError, match=r"'PLAN-9c01d5'.*Did you mean 'PLAN-9c01d4'"):
            await tx.plans.get(PlanId("PLAN-9c01d5"))


async def test_a_mute_lasts_until_its_time_and_can_be_cut_short(store: SqlStore) -> None:
    mute = Mute(a_finding().service, "", NOW + MINUTE, ALICE, "deploying")
    async with store.begin() as tx:
        await tx.mutes.add(mute)
        assert await tx.mutes.active(NOW) == [mute]
        assert await tx.mutes.active(NOW + MINUTE) == []
        await tx.mutes.add(replace(mute, until=NOW))
        assert await tx.mutes.active(NOW) == []


async def test_findings_come_back_whole(store: SqlStore) -> None:
    old = replace(a_finding("FND-0"), opened_at=NOW - MINUTE, resolved_at=NOW)
    async with store.begin() as tx:
        await tx.findings.save(old)
        await tx.findings.save(a_finding())
        assert await tx.findings.get(a_finding().id) == a_finding()
        assert await tx.findings.open() == [a_finding()]
        assert await tx.findings.list(NOW - MINUTE, NOW) == [old]
        assert await tx.findings.latest_in(PLACE.channel) == a_finding()
        assert await tx.findings.latest_in(ChannelId("C9")) is None


async def test_incidents_are_numbered_per_year_without_gaps(
    store: SqlStore, second: SqlStore
) -> None:
    async def declare(number: int) -> str:
        async with [store, second][number % 2].begin() as tx:
            name = await tx.incidents.next_id(2026)
            await tx.incidents.save(an_incident(name))
            return name

    ids = await asyncio.gather(*(declare(number) for number in range(12)))
    assert sorted(ids) == [f"INC-2026-{n:04d}" for n in range(1, 13)]
    async with store.begin() as tx:
        assert await tx.incidents.next_id(2027) == "INC-2027-0001"


async def test_an_incident_has_a_timeline_in_the_order_of_time(store: SqlStore) -> None:
    incident = an_incident()
    late, early = (TimelineEntry(NOW + n * MINUTE, f"at {n}", "person", ALICE) for n in (2, 1))
    async with store.begin() as tx:
        await tx.incidents.save(incident)
        assert await tx.incidents.at(PLACE) == incident
        assert await tx.incidents.open() == [incident]
        await tx.incidents.note(incident.id, late)
        await tx.incidents.note(incident.id, early)
        assert await tx.incidents.timeline(incident.id) == [early, late]
        await tx.incidents.save(resolve(incident, NOW))
        assert await tx.incidents.open() == []
        latest = await tx.incidents.latest_in(PLACE.channel)
        assert latest is not None
        assert latest.resolved_at == NOW
        with pytest.raises(NotFoundError):
            await tx.incidents.note(an_incident("INC-2026-0009").id, late)


@pytest.mark.parametrize("state", [
    Declared(None), Declared(NOW), InHand(ALICE, NOW, NOW - MINUTE),
    IncidentResolved(NOW, None, ALICE), IncidentResolved(NOW, ALICE, None),
    MergedInto(IncidentId("INC-2026-0002"), NOW, ALICE),
])  # fmt: skip
async def test_an_incident_comes_back_in_its_state(store: SqlStore, state: IncidentState) -> None:
    incident = replace(
        an_incident(), state=state, people=(ALICE,), call=Paged(("S0ONCALL",), in_card=True),
        room=ChannelId("C7"), next_update_at=NOW, quiet=True,
    )  # fmt: skip
    async with store.begin() as tx:
        await tx.incidents.save(incident)
        assert await tx.incidents.held(incident.id) == incident
        assert bool(await tx.incidents.open()) is incident.open
        assert await tx.incidents.newest() == [incident]


async def test_a_thing_belongs_to_one_incident_at_a_time(store: SqlStore) -> None:
    one, other = an_incident(), an_incident("INC-2026-0002")
    plan = StoryPart(PartKind.PLAN, "PLAN-1", NOW)
    post = StoryPart(PartKind.POST, "C1:9.1", NOW - MINUTE)
    async with store.begin() as tx:
        await tx.incidents.save(one)
        await tx.incidents.save(other)
        assert await tx.incidents.attach(one.id, plan)
        assert not await tx.incidents.attach(other.id, plan)
        await tx.incidents.attach(one.id, post)
        await tx.incidents.note(one.id, TimelineEntry(NOW, "x", "person", ALICE))
        assert await tx.incidents.parts(one.id) == [post, plan]
        assert await tx.incidents.at(Place(ChannelId("C1"), Ts("9.1"))) == one
        await tx.incidents.absorb(one.id, other.id)
        assert await tx.incidents.owner_of(PartKind.PLAN, "PLAN-1") == other.id
        assert await tx.incidents.owner_of(PartKind.PLAN, "PLAN-2") is None
        assert await tx.incidents.parts(one.id) == []
        assert [e.text for e in await tx.incidents.timeline(other.id)] == ["x"]


async def test_a_plan_comes_back_with_the_bytes_that_people_said_yes_to(store: SqlStore) -> None:
    record = a_record()
    async with store.begin() as tx:
        await tx.plans.add(record)
        back = await tx.plans.get(record.plan.id)
    assert back == record
    assert back.plan.body.canonical() == record.plan.body.canonical()
    assert back.plan.body.digest() == record.plan.digest


async def test_two_moves_from_one_version_are_one_move(store: SqlStore, second: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.plans.add(a_record())

    async def run(mine: SqlStore, owner: str) -> str:
        try:
            async with mine.begin() as tx:
                record = a_record()
                said = Approved(record.plan.id, record.plan.digest, (), NOW)
                running = life.Running(said, life.Worker(owner, NOW))
                moved = await tx.plans.move(record.to(running))
                await tx.outbox.refresh("plan", moved.plan.id)
                return f"v{moved.version}"
        except StaleError as error:
            return str(error)

    told = sorted(await asyncio.gather(run(store, "a"), run(second, "b")))
    assert told == ["PLAN-000001 is at version 2, not 1; read it again", "v2"]


async def test_an_edited_plan_cannot_take_the_place_of_the_one_that_was_shown(
    store: SqlStore,
) -> None:
    record = a_record()
    edited = replace(record, plan=replace(record.plan, digest="0" * 64))
    async with store.begin() as tx:
        await tx.plans.add(record)
        with pytest.raises(StaleError, match="an edited plan is a new plan"):
            await tx.plans.move(edited)
        with pytest.raises(StaleError, match="mint another id"):
            await tx.plans.add(edited)
        assert await tx.plans.get(record.plan.id) == record


async def test_every_state_of_an_approval_is_read_back_as_itself(store: SqlStore) -> None:
    record = a_record()
    pending = record.approval
    assert isinstance(pending, Pending)
    plan_id = record.plan.id
    approved = approve(pending, BOB, pending.digest, NOW)
    assert isinstance(approved, Approved)
    states = (
        life.PlanApproved(approved),
        life.PlanRejected(Rejected(plan_id, BOB, "not now", NOW), "no", NOW),
        life.PlanExpired(Expired(plan_id, NOW), "late", NOW),
        life.PlanWithdrawn(Withdrawn(plan_id, "cleared by itself", NOW), "cleared", NOW),
        life.PlanWithdrawn(approved, "refused when it was claimed", NOW),
    )
    async with store.begin() as tx:
        await tx.plans.add(record)
        for state in states:
            record = await tx.plans.move(record.to(state))
            assert (await tx.plans.get(plan_id)).approval == state.approval


@pytest.mark.parametrize("status", PlanStatus)
async def test_every_state_of_a_plan_is_read_back_as_itself(
    store: SqlStore, status: PlanStatus
) -> None:
    record = a_record()
    state = a_state(record.plan, status)
    async with store.begin() as tx:
        await tx.plans.add(record)
        moved = await tx.plans.move(record.to(state))
        assert await tx.plans.get(record.plan.id) == moved
        assert moved.state == state


async def test_a_state_keeps_nothing_of_the_one_it_followed(store: SqlStore) -> None:
    record = a_record()
    said = Approved(record.plan.id, record.plan.digest, (), NOW)
    for_someone = life.Undoing(said, life.Worker("one", NOW), "asked", life.UndoRequest(BOB, NOW))
    async with store.begin() as tx:
        await tx.plans.add(record)
        for state in (
            life.Verifying(said, life.Worker("one", NOW), NOW + MINUTE, stop_asked=True),
            for_someone,
            life.Halted(said, "halted", NOW),
            life.Undoing(said, None, "it did not help"),
        ):
            record = await tx.plans.move(record.to(state))
            assert (await tx.plans.get(record.plan.id)).state == state


@pytest.mark.parametrize(
    ("column", "value"),
    [("status", "approved"), ("status", "running"), ("status", "rejected"), ("status", "halted")],
)
async def test_a_row_whose_facts_contradict_its_status_is_refused(
    store: SqlStore, column: str, value: str
) -> None:
    """Nobody said yes: no status that somebody writes by hand makes up for it."""
    async with store.begin() as tx:
        await tx.plans.add(a_record())
    async with store._engine.begin() as connection:
        await connection.execute(text(f"UPDATE plans SET {column} = '{value}'"))  # noqa: S608
    async with store.begin() as tx:
        with pytest.raises(ValueError, match="somebody changed the row by hand"):
            await tx.plans.get(PlanId("PLAN-000001"))


async def test_plans_are_found_by_status_and_by_finding(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.plans.add(a_record("PLAN-1"))
        record = a_record("PLAN-1")
        running = await tx.plans.move(record.to(a_state(record.plan, PlanStatus.RUNNING)))
        await tx.plans.add(a_record("PLAN-2"))
        assert await tx.plans.list([PlanStatus.RUNNING]) == [running]
        assert len(await tx.plans.list()) == 2
        finding = running.plan.finding
        assert finding is not None
        assert [r.plan.id for r in await tx.plans.of_finding(finding)] == ["PLAN-1", "PLAN-2"]


async def test_steps_are_told_forward_then_undo_and_date_what_was_touched(store: SqlStore) -> None:
    async def touched(after: datetime) -> list[tuple[str, Position, datetime]]:
        return [(t.plan.id, t.position, t.at) for t in await tx.plans.touched_since(after)]

    async with store.begin() as tx:
        await tx.plans.add(a_record())
        plan_id, target = PlanId("PLAN-000001"), str(TARGET)
        undo = StepIntended(plan_id, Position.back(0), NOW)
        steps = [StepIntended(plan_id, Position.forward(n), NOW) for n in (1, 0)]
        for step in (undo, *steps):
            await tx.plans.save_step(step, target, 0)
        keys = [f"{plan_id}/{each}" for each in ("do/0", "do/1", "undo/0")]
        assert [s.key for s in await tx.plans.steps(plan_id)] == keys
        assert await touched(NOW - MINUTE) == []
        sent = send(steps[0], NOW + MINUTE)
        await tx.plans.save_step(sent, target, 0)
        assert await touched(NOW) == [(plan_id, Position.forward(1), NOW + MINUTE)]
        done = finish(sent, NOW + 2 * MINUTE, "ok", "f" * 64)
        await tx.plans.save_step(done, target, 0)
        assert await touched(NOW) == [(plan_id, Position.forward(1), NOW + 2 * MINUTE)]
        assert await touched(NOW + 2 * MINUTE) == []
        back = send(undo, NOW + 3 * MINUTE)
        await tx.plans.save_step(back, target, 0)
        assert [place for _, place, _ in await touched(NOW)] == [
            Position.back(0),
            Position.forward(1),
        ]
        assert (await tx.plans.steps(plan_id))[1] == done


async def a_plan_at_work(store: SqlStore) -> PlanRecord:
    """A plan that one process took."""
    record = a_record()
    async with store.begin() as tx:
        await tx.plans.add(record)
        return await tx.plans.move(record.taken(a_state(record.plan, PlanStatus.RUNNING)))


async def test_a_plan_keeps_how_often_it_was_taken(store: SqlStore) -> None:
    record = await a_plan_at_work(store)
    async with store.begin() as tx:
        assert (await tx.plans.get(record.plan.id)).token == record.token == 1
        again = await tx.plans.move(record.to(record.state))
        assert again.token == 1
        assert (await tx.plans.move(again.taken(again.state))).token == 2
        assert [each.token for each in await tx.plans.list()] == [2]


async def test_a_step_is_written_under_the_token_that_holds_alone(store: SqlStore) -> None:
    record = await a_plan_at_work(store)
    run = StepIntended(record.plan.id, Position.forward(0), NOW)
    async with store.begin() as tx:
        await tx.plans.save_step(run, str(TARGET), 1)
        await tx.plans.move(record.taken(record.state))
        for token in (0, 1, 3):
            with pytest.raises(StaleError, match="was taken by another process"):
                await tx.plans.save_step(send(run, NOW), str(TARGET), token)
        assert await tx.plans.steps(record.plan.id) == [run]


async def test_a_process_that_was_overtaken_in_the_middle_of_a_transaction_writes_nothing(
    store: SqlStore,
) -> None:
    """It read the plan as its own; by the time it writes, another has taken it."""
    record = await a_plan_at_work(store)
    run = StepIntended(record.plan.id, Position.forward(0), NOW)
    read, taken = asyncio.Event(), asyncio.Event()

    async def stalls() -> None:
        async with store.begin() as tx:
            assert (await tx.plans.get(record.plan.id)).token == 1
            read.set()
            if not store._sqlite:  # there nobody else writes before this transaction ends
                await taken.wait()
                await tx.plans.save_step(run, str(TARGET), 1)

    async def takes() -> None:
        await read.wait()
        async with store.begin() as tx:
            await tx.plans.move(record.taken(record.state))
        taken.set()

    found = await asyncio.gather(stalls(), takes(), return_exceptions=True)
    assert found[1] is None
    assert store._sqlite or isinstance(found[0], StaleError)
    async with store.begin() as tx:
        assert await tx.plans.steps(record.plan.id) == []


async def test_every_state_of_a_step_is_read_back_as_itself(store: SqlStore) -> None:
    plan_id, position, target = PlanId("PLAN-000001"), Position.back(1), str(TARGET)
    begun = StepIntended(plan_id, position, NOW, "UBOB said: retry")
    sent = send(begun, NOW + MINUTE)
    later = NOW + 2 * MINUTE
    async with store.begin() as tx:
        await tx.plans.add(a_record())
        for run in (
            begun,
            StepFailed(plan_id, position, NOW, None, later, "refused before it was sent"),
            sent,
            send_again(sent, later),
            StepUnknown(plan_id, position, NOW, NOW, later, "no answer"),
            StepFailed(plan_id, position, NOW, NOW, later, "UBOB said: undone"),
            finish(sent, later, "found done in the world", ""),
            begun,
        ):
            await tx.plans.save_step(run, target, 0)
            assert await tx.plans.steps(plan_id) == [run]


# --- what is kept for later ---------------------------------------------------------------


async def test_a_change_told_twice_is_stored_once(store: SqlStore) -> None:
    service = a_finding().service
    change = Change(NOW, ChangeKind.DEPLOY, service, "2.15.0", workload=TARGET)
    async with store.begin() as tx:
        assert await tx.changes.add(change, "deploy-1")
        assert not await tx.changes.add(change, "deploy-1")
        assert await tx.changes.add(replace(change, at=NOW - MINUTE), "deploy-0")
        recent = await tx.changes.recent(Window(NOW - MINUTE, NOW), [service])
        assert [c.at for c in recent] == [NOW, NOW - MINUTE]
        assert recent[0] == change
        assert await tx.changes.recent(Window(NOW - MINUTE, NOW), ["wallet"]) == []


async def test_saves_of_baselines_are_read_one_after_the_other(store: SqlStore) -> None:
    async with store.begin() as tx:
        assert await tx.baselines.after(-1) is None
        assert await tx.baselines.learned() == {}
        await tx.baselines.save([a_baseline("a"), a_baseline("b")])
    async with store.begin() as tx:
        await tx.baselines.save([replace(a_baseline("a"), samples=7)])
        first = await tx.baselines.after(-1)
        assert first is not None
        assert [dict(each.labels) for each in first.baselines] == [{"service": "b"}]
        second = await tx.baselines.after(first.revision)
        assert second is not None
        assert [each.samples for each in second.baselines] == [7]
        assert await tx.baselines.after(second.revision) is None
        (about,) = (await tx.baselines.learned()).values()
    learned_at = a_baseline("a").learned_at
    assert (about.series, about.oldest, about.newest) == (2, learned_at, learned_at)


async def test_baselines_come_back_with_their_arrays(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.baselines.save([a_baseline("a"), a_baseline("b")])
        await tx.baselines.save([replace(a_baseline("a"), samples=7), a_baseline("c")])
        await tx.baselines.save([])
        assert len(await tx.baselines.all()) == 3
        back = await tx.baselines.find(a_baseline().metric, (("service", "a"),))
        assert await tx.baselines.find(a_baseline().metric, (("service", "z"),)) is None
    assert back is not None
    assert (back.samples, back.history, back.labels) == (7, timedelta(days=14), (("service", "a"),))
    np.testing.assert_array_equal(back.profile, a_baseline().profile)
    np.testing.assert_array_equal(back.spread, a_baseline().spread)


async def test_a_digest_slot_is_told_once(store: SqlStore, second: SqlStore) -> None:
    channel = PLACE.channel

    async def take(mine: SqlStore) -> bool:
        async with mine.begin() as tx:
            return await tx.digests.take(channel, NOW, NOW)

    assert sum(await asyncio.gather(*(take(mine) for mine in [store, second] * 2))) == 1
    async with store.begin() as tx:
        assert await tx.digests.last(channel) == NOW
        assert await tx.digests.last(ChannelId("C9")) is None


async def test_an_edited_postmortem_replaces_its_action_items(store: SqlStore) -> None:
    draft = Postmortem(
        id=PostmortemId("PM-1"), incident=an_incident().id, title="Slow orders", summary="s",
        impact="i", timeline=("14:00 deploy",), root_cause="r", resolution="r", lessons="l",
        actions=(ActionItem("add a canary", "UBOB"), ActionItem("alert")), drafted_by=ALICE,
        drafted_at=NOW, place=PLACE,
    )  # fmt: skip
    edited = replace(draft, actions=(ActionItem("add a canary", due="2026-12-01"),))
    async with store.begin() as tx:
        await tx.postmortems.save(draft)
        assert await tx.postmortems.get(draft.id) == draft
        await tx.postmortems.save(edited)
        assert await tx.postmortems.of_incident(draft.incident) == edited
        assert await tx.postmortems.of_incident(an_incident("INC-2026-0002").id) is None


async def test_charts_feedback_flags_and_tokens_keep_the_last_word(store: SqlStore) -> None:
    token = ApiToken("TOK-1", ALICE, "laptop", Scope.READ, NOW, NOW + timedelta(days=90))
    async with store.begin() as tx:
        await tx.charts.save("CH-1", b"\x89PNG\0", "latency", NOW)
        assert await tx.charts.get("CH-1") == (b"\x89PNG\0", "latency")
        with pytest.raises(NotFoundError, match="CH-1"):
            await tx.charts.get("CH-2")
        for helpful in (True, False):
            await tx.feedback.save(Feedback(RunId("RUN-1"), ALICE, helpful, NOW, "late"))
        assert await tx.flags.get("freeze") == ""
        await tx.flags.set("freeze", "on", ALICE, NOW)
        await tx.flags.set("freeze", "until friday", ALICE, NOW)
        assert await tx.flags.get("freeze") == "until friday"
        await tx.flags.set("freeze", "", ALICE, NOW)
        assert await tx.flags.get("freeze") == ""
        await tx.tokens.add(token, "a" * 64)
        with pytest.raises(StaleError):
            await tx.tokens.add(replace(token, id="TOK-2"), "a" * 64)
        assert await tx.tokens.find("a" * 64) == token
        assert await tx.tokens.revoke("TOK-1", NOW)
        assert not await tx.tokens.revoke("TOK-9", NOW)
        assert await tx.tokens.find("a" * 64) is None
        assert await tx.tokens.list() == [replace(token, revoked_at=NOW)]
    async with store._engine.connect() as connection:
        said = (await connection.execute(text("SELECT helpful FROM feedback"))).scalars().all()
    assert [bool(each) for each in said] == [False]


async def test_a_lease_has_one_owner_until_it_runs_out(store: SqlStore, second: SqlStore) -> None:
    async def acquire(mine: SqlStore, owner: str) -> bool:
        async with mine.begin() as tx:
            return await tx.leases.acquire("leader", owner, NOW, LEASE)

    won = await asyncio.gather(*(acquire([store, second][n % 2], f"{n}") for n in range(6)))
    assert sum(won) == 1
    owner = str(won.index(True))
    async with store.begin() as tx:
        assert await tx.leases.acquire("leader", owner, NOW, 2 * LEASE)
        assert not await tx.leases.acquire("leader", "z", NOW + LEASE, LEASE)
        await tx.leases.release("leader", "z")
        assert not await tx.leases.acquire("leader", "z", NOW + LEASE, LEASE)
        assert await tx.leases.acquire("leader", "z", NOW + 2 * LEASE, LEASE)
        await tx.leases.release("leader", "z")
        assert await tx.leases.acquire("leader", owner, NOW, LEASE)


async def test_a_done_item_keeps_its_key_and_nothing_of_what_was_said(store: SqlStore) -> None:
    async with store.begin() as tx:
        await tx.inbox.add("Ev1", "event", {"text": "between us"}, NOW)
        item = await tx.inbox.claim("a", NOW, LEASE)
        assert item is not None
        await tx.inbox.done(item.id, NOW)
    async with store._engine.begin() as connection:
        kept = (await connection.exec_driver_sql("SELECT * FROM slack_inbox")).mappings().one()
    assert "between us" not in str(dict(kept))
    async with store.begin() as tx:
        assert not await tx.inbox.add("Ev1", "event", {"text": "between us"}, NOW)
        assert await tx.inbox.backlog() == 0
