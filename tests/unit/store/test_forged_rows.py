"""Rows that people are shown, or that decide something: what somebody else wrote does neither.

Each attack is plain SQL by somebody who has the database and no key.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ports import AuditBrokenError
from bot.core.remediation.planning.proved_trouble import ProvedTrouble, TroubleReader
from bot.domain.anomaly import Anomaly, observe, open_anomaly
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, ChannelId, FindingId, PlanId, Ts
from bot.domain.place import Place
from bot.domain.plans.policy import rule
from bot.domain.plans.risk import Tier, Trend
from bot.domain.run import finish, start
from bot.locale import Texts
from bot.slack.delivery.renderers import Here, renderers_over
from bot.store import adoption
from bot.store.store import SqlStore
from tests.contract.test_forged_approvals import Attacker, restore, snapshot
from tests.fakes.decision import ANN, INCIDENTS, START, Production
from tests.fixtures.alerting import a_delivery, an_alert_desk
from tests.fixtures.alerting import told as an_alert_told
from tests.fixtures.nouns import a_queued_run, a_run, a_verdict, an_answer
from tools.world import Catalogue, MetricName, ServiceMode, ServiceName, Severity

MINUTE = timedelta(minutes=1)
SHOP = ServiceName("shop")
BAD, WORSE = AnomalyId("ANO-1"), AnomalyId("ANO-2")
FOUND = FindingId("FND-1")


@pytest.fixture
def world(store: SqlStore) -> Production:
    return Production(store)


@pytest.fixture
def attacker(store: SqlStore) -> Attacker:
    return Attacker(store)


# --- anomalies and findings ----------------------------------------------------------------


def an_anomaly(anomaly_id: AnomalyId, sigma: float) -> Anomaly:
    verdict = replace(
        a_verdict(), metric=MetricName(f"metric_{anomaly_id}"), service=SHOP,
        deviation_sigma=sigma, at=START, started_at=START,
    )  # fmt: skip
    return open_anomaly(anomaly_id, "api", verdict)


async def trouble(world: Production, *, found: bool) -> ProvedTrouble:
    return await TroubleReader(world.store, world.clock).read(SHOP, FOUND if found else None)


async def tell(world: Production, kind: str, anomaly: Anomaly) -> None:
    facts = {"service": SHOP, "severity": anomaly.severity.value}
    async with world.store.begin() as tx:
        await tx.anomalies.save(anomaly)
        await tx.audit.append(Event(kind, world.clock.now(), BOT, anomaly.id, facts=facts))


async def two_anomalies(world: Production) -> None:
    world.clock.advance(seconds=1)
    await tell(world, "anomaly.opened", an_anomaly(BAD, 3.1))
    await tell(world, "anomaly.opened", an_anomaly(WORSE, 4.6))
    finding = Finding(FOUND, SHOP, Severity.HIGH, START, (BAD, WORSE), (), place=Place(INCIDENTS))
    facts = {"anomalies": [BAD, WORSE]}
    async with world.store.begin() as tx:
        await tx.findings.save(finding)
        await tx.audit.append(Event("finding.opened", START, BOT, FOUND, facts=facts))


LOWERED = {
    "edited": """UPDATE anomalies SET severity = 'low', body = REPLACE(body, '4.6', '3.1')""",
    "taken away": "DELETE FROM anomalies WHERE id = 'ANO-2'",
    "said to be over": "UPDATE anomalies SET active = (1 = 0), state = 'Resolved', state_body ="
    " '{\"at\":\"2026-11-20T12:00:00Z\"}' WHERE id = 'ANO-2'",
    "another service's": "UPDATE anomalies SET service = 'cart' WHERE id = 'ANO-2'",
}


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize("statement", LOWERED.values(), ids=list(LOWERED))
async def test_a_plan_is_not_talked_down_by_rows_of_what_it_answers(
    world: Production, attacker: Attacker, statement: str, *, found: bool
) -> None:
    await two_anomalies(world)
    before = await trouble(world, found=found)
    assert (before.severity, before.doubt) == (Severity.HIGH, "")
    await attacker.write(statement)
    after = await trouble(world, found=found)
    assert after.severity is Severity.CRITICAL
    assert "nothing proves ANO-" in after.doubt


async def an_alert_fires(world: Production, *, found: bool) -> ProvedTrouble:
    world.clock.advance(seconds=1)
    desk = an_alert_desk(world.store, world.clock, lambda: Catalogue({}, {}))
    told = a_delivery(an_alert_told("ShopDown", service="shop", starts_at=START))
    (opened,) = (await desk.receive(told)).opened
    finding = Finding(FOUND, SHOP, Severity.CRITICAL, START, (), (), alerts=(opened,))
    facts = {"anomalies": [], "alerts": [{"id": opened}]}
    async with world.store.begin() as tx:
        await tx.findings.save(finding)
        await tx.audit.append(Event("finding.opened", START, BOT, FOUND, facts=facts))
    return await trouble(world, found=found)


@pytest.mark.parametrize("found", [True, False])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alerts SET severity = 'low', body = REPLACE(body, 'critical', 'low')",
        "DELETE FROM alerts",
        "UPDATE alerts SET service = 'cart'",
    ],
)
async def test_an_alert_counts_and_is_not_talked_down_either(
    world: Production, attacker: Attacker, statement: str, *, found: bool
) -> None:
    before = await an_alert_fires(world, found=found)
    assert (before.severity, before.category, before.doubt) == (Severity.CRITICAL, "alert", "")
    await attacker.write(statement)
    after = await trouble(world, found=found)
    assert (after.severity, after.trend) == (Severity.CRITICAL, Trend.WORSE)
    assert "nothing proves ALR-" in after.doubt


async def test_a_finding_that_forgot_its_worst_anomaly_answers_it_all_the_same(
    world: Production, attacker: Attacker
) -> None:
    await two_anomalies(world)
    await attacker.write("""UPDATE findings SET body = REPLACE(body, ',"ANO-2"', '')""")
    after = await trouble(world, found=True)
    assert (after.severity, FOUND in after.doubt) == (Severity.CRITICAL, True)


@pytest.mark.parametrize("found", [True, False])
async def test_an_earlier_row_of_an_anomaly_does_not_hide_how_it_grew(
    world: Production, store: SqlStore, *, found: bool
) -> None:
    await two_anomalies(world)
    mild = an_anomaly(BAD, 3.1)
    async with store._engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM anomalies WHERE id = 'ANO-2'")
        await connection.exec_driver_sql("DELETE FROM audit WHERE subject = 'ANO-2'")
        await connection.exec_driver_sql("DELETE FROM audit WHERE subject = 'FND-1'")
    async with store.begin() as tx:
        await tx.findings.save(replace(await tx.findings.get(FOUND), anomalies=(BAD,)))
    early = await snapshot(store, "anomalies", "id", PlanId(BAD))
    grown = observe(mild, replace(mild.first, deviation_sigma=4.6))
    await tell(world, "anomaly.worsened", grown)
    await restore(store, "anomalies", "id", PlanId(BAD), early)
    after = await trouble(world, found=found)
    assert (after.severity, after.doubt) == (Severity.HIGH, "")


async def test_what_was_forged_is_not_sealed_by_being_seen_again(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    await two_anomalies(world)
    await attacker.write(LOWERED["edited"])
    async with store.begin() as tx:
        for each in await tx.anomalies.active():  # as the next cycle does
            await tx.anomalies.save(observe(each, replace(each.latest, at=START + MINUTE)))
        await tx.findings.save(replace(await tx.findings.get(FOUND), conclusion="fine"))
    assert (await trouble(world, found=True)).severity is Severity.CRITICAL


# --- questions -----------------------------------------------------------------------------

COPIED = """INSERT INTO agent_runs (id, place, channel, thread_ts, trigger, question, asked_by,
    asker_name, locale, timezone, status, started_at, owner, heartbeat_at, model, mac)
    SELECT 'RUN-forged', 'C0EVE', 'C0EVE', NULL, trigger, 'how full is the wallet?', 'UADA',
    asker_name, locale, timezone, 'queued', started_at, owner, heartbeat_at, model, {mac}
    FROM agent_runs"""
ASKED_BY_OTHERS = {
    "inserted": COPIED.format(mac="NULL"),
    "with another one's seal": COPIED.format(mac="mac"),
    "another asker": "UPDATE agent_runs SET asked_by = 'UADA'",
    "another question": "UPDATE agent_runs SET question = 'how full is the wallet?'",
    "another place": "UPDATE agent_runs SET place = 'C0EVE', channel = 'C0EVE', thread_ts = NULL",
}


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize("statement", ASKED_BY_OTHERS.values(), ids=list(ASKED_BY_OTHERS))
async def test_a_question_that_nobody_asked_reads_nothing(
    store: SqlStore, attacker: Attacker, statement: str, *, running: bool
) -> None:
    async with store.begin() as tx:
        asked = a_queued_run()
        await tx.runs.save(start(asked, "host:1", START) if running else asked)
    await attacker.write(statement)
    async with store.begin() as tx:
        waiting = [*await tx.runs.queued(), *await tx.runs.orphans(START + MINUTE)]
        assert [each.id for each in waiting if each.question != asked.question] == []
        assert await tx.runs.refuse_unproved(START) == 1
        assert await tx.runs.refuse_unproved(START) == 0
        (told,) = [row.event for row in await tx.audit.tail() if row.event.kind == "run.refused"]
    assert "nothing proves" in told.why


async def test_a_question_that_was_answered_is_not_asked_again_by_its_earlier_row(
    store: SqlStore, attacker: Attacker
) -> None:
    run = a_run()
    async with store.begin() as tx:
        await tx.runs.save(run)
    async with store._engine.begin() as connection:
        query = "SELECT status, answer, mac FROM agent_runs"
        early = (await connection.exec_driver_sql(query)).mappings().one()
    async with store.begin() as tx:
        await tx.runs.save(finish(run, an_answer()))
        await tx.audit.append(Event("answer.given", START, BOT, run.id))
    await attacker.write("UPDATE agent_runs SET status = :status, answer = :answer, mac = :mac",
                         **early)  # fmt: skip
    async with store.begin() as tx:
        assert await tx.runs.orphans(run.heartbeat_at + MINUTE) == []
        assert await tx.runs.refuse_unproved(START) == 1


# --- messages ------------------------------------------------------------------------------

HERE = Place(ChannelId("C1"))
POSTED = """INSERT INTO slack_outbox (id, key, view, ref, channel, thread_ts, behind, body, ts,
    revision, claimed, shown, attempts, file_id, owner, last_error, parked, mac)
    SELECT 'MSG-forged', 'forged', view, ref, channel, thread_ts, behind,
    '{{"text": "PLAN-1 was approved"}}', NULL, revision, claimed, shown, attempts, file_id, owner,
    last_error, parked, {mac} FROM slack_outbox"""
WRITTEN = {
    "inserted": POSTED.format(mac="NULL"),
    "with another one's seal": POSTED.format(mac="mac"),
    "another text": """UPDATE slack_outbox SET body = '{"text": "all clear"}'""",
    "another channel": "UPDATE slack_outbox SET channel = 'C2'",
    "another card": "UPDATE slack_outbox SET view = 'plan', ref = 'PLAN-1'",
    "another picture": "UPDATE slack_outbox SET file_id = 'F0EVE'",
    "another home": """UPDATE slack_outbox SET meant =
        '{"channel": "C2", "thread_ts": null, "why": "call +1 555"}'""",
    "posted already": "UPDATE slack_outbox SET ts = '1732099200.000900', revision = 2",
}


@pytest.mark.parametrize("statement", WRITTEN.values(), ids=list(WRITTEN))
async def test_a_message_that_nobody_asked_for_is_not_posted_and_is_told(
    store: SqlStore, attacker: Attacker, statement: str
) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("ours", "notice", "R", HERE, {"text": "PLAN-1 waits"})
    await attacker.write(statement)
    async with store.begin() as tx:
        own = await tx.outbox.post("later", "notice", "R2", HERE, {"text": "later"})
        shown = []
        while (row := await tx.outbox.claim("worker", START, MINUTE)) is not None:
            shown.append(row.body["text"])
            await tx.outbox.posted(row.id, Ts(f"1.{len(shown)}"), START)
        told = [row.event for row in await tx.audit.tail() if row.event.kind == "outbox.refused"]
        assert own is not None
    assert shown == (["PLAN-1 waits", "later"] if "INSERT" in statement else ["later"])
    assert [event.why for event in told] == ["nothing proves that we asked for it"]
    kept = "SELECT count(*) FROM slack_outbox WHERE parked AND last_error LIKE 'nothing proves%'"
    assert await attacker.read(kept) == 1


async def test_a_message_that_is_there_is_not_rewritten(
    store: SqlStore, attacker: Attacker
) -> None:
    async with store.begin() as tx:
        for name in ("one", "two"):
            await tx.outbox.post(name, "notice", name, HERE, {"text": name})
            row = await tx.outbox.claim("worker", START, MINUTE)
            assert row is not None
            await tx.outbox.posted(row.id, Ts(f"1.{name}"), START)
    await attacker.write("UPDATE slack_outbox SET ts = '1.three' WHERE key = 'two'")
    await attacker.write("UPDATE slack_outbox SET ts = '1.two', revision = 2 WHERE key = 'one'")
    async with store.begin() as tx:
        assert await tx.outbox.claim("worker", START, MINUTE) is None
        await tx.outbox.refresh("notice", "one", {"text": "new"})  # the bot goes on with it
        assert await tx.outbox.claim("worker", START, MINUTE) is None
        assert await tx.outbox.find("one") is None


async def test_a_message_that_was_posted_is_not_posted_again_by_its_earlier_row(
    store: SqlStore,
) -> None:
    async with store.begin() as tx:
        name = await tx.outbox.post("ours", "notice", "R", HERE, {"text": "all clear"})
    early = await snapshot(store, "slack_outbox", "id", PlanId(name))
    async with store.begin() as tx:
        assert await tx.outbox.claim("worker", START, MINUTE) is not None
        await tx.outbox.posted(name, Ts("1.1"), START)
    await restore(store, "slack_outbox", "id", PlanId(name), early)
    async with store.begin() as tx:
        assert await tx.outbox.claim("worker", START, MINUTE) is None
        told = [row.event.why for row in await tx.audit.tail()]
    assert "it was posted before, and somebody put its row back" in told


async def test_a_message_is_told_though_somebody_took_its_key(
    store: SqlStore, attacker: Attacker
) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("ours", "notice", "R", HERE, {"text": "something else"})
    await attacker.write("UPDATE slack_outbox SET key = 'resolved:FND-1', parked = (1 = 1)")
    async with store.begin() as tx:
        await tx.outbox.post("resolved:FND-1", "notice", "R", HERE, {"text": "resolved"})
        row = await tx.outbox.claim("worker", START, MINUTE)
    assert row is not None
    assert row.body == {"text": "resolved"}


async def test_a_message_is_not_posted_under_one_that_was_exchanged(
    store: SqlStore, attacker: Attacker
) -> None:
    async with store.begin() as tx:
        await tx.outbox.post("above", "notice", "A", HERE, {"text": "above"})
        row = await tx.outbox.claim("worker", START, MINUTE)
        assert row is not None
        await tx.outbox.posted(row.id, Ts("1.1"), START)
        await tx.outbox.post("below", "notice", "B", HERE, {"text": "below"}, behind="above")
    await attacker.write("UPDATE slack_outbox SET ts = '1.2' WHERE key = 'above'")
    async with store.begin() as tx:
        assert await tx.outbox.claim("worker", START, MINUTE) is None


CHANGED = {
    "finding": "UPDATE findings SET body = REPLACE(body, 'shop', 'shop is well')",
    "anomaly": LOWERED["edited"],
    "answer": "UPDATE agent_runs SET answer = REPLACE(answer, 'latency', 'nothing')",
}  # fmt: skip


@pytest.mark.parametrize("what", CHANGED)
async def test_what_a_card_is_drawn_from_is_ours(
    world: Production, attacker: Attacker, store: SqlStore, what: str
) -> None:
    await two_anomalies(world)
    run = a_run()
    view, ref = ("answer", run.id) if what == "answer" else ("finding", FOUND)
    async with store.begin() as tx:
        await tx.runs.save(finish(run, an_answer()))
        await tx.outbox.post("card", view, ref, HERE)
        (row,) = await tx.outbox.of(view, ref)
    draw = renderers_over(
        (), lambda _: rule(Tier.AUTO, ServiceMode.APPROVE, world.policy), Here(world.clock)
    )[view]
    async with store.begin() as tx:
        assert (await draw(row, tx, Texts("en"))).text
    await attacker.write(CHANGED[what])
    async with store.begin() as tx:
        with pytest.raises(ValueError, match="nothing proves"):
            await draw(row, tx, Texts("en"))


# --- rows of a version that sealed less ------------------------------------------------------


async def older_rows(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a begun chain and rows without seals, as a version before `0010_more_seals` did."""
    with monkeypatch.context() as patch:
        patch.setattr(adoption, "ROWS", "unknown then")
        assert await store.begin_chain(None, START, START)
    async with store.begin() as tx:
        await tx.outbox.post("old", "notice", "R", HERE, {"text": "old"})
        await tx.runs.save(a_queued_run())
    async with store._engine.begin() as connection:
        for table in ("slack_outbox", "agent_runs"):
            await connection.exec_driver_sql(f"UPDATE {table} SET mac = NULL")  # noqa: S608


async def test_rows_of_an_older_version_are_sealed_once_and_go_on(
    store: SqlStore, attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_rows(store, monkeypatch)
    assert not await store.begin_chain(None, START, START)
    async with store.begin() as tx:
        assert await tx.outbox.find("old") is not None
        assert [each.id for each in await tx.runs.queued()] == [a_queued_run().id]
    await attacker.write(POSTED.format(mac="NULL"))
    await store.begin_chain(None, START, START)
    async with store.begin() as tx:
        assert await tx.outbox.find("forged") is None


async def test_nor_are_they_sealed_a_second_time_on_a_chain_that_lost_the_row_that_says_so(
    store: SqlStore, attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older_rows(store, monkeypatch)
    await store.begin_chain(None, START, START)
    async with store.begin() as tx:
        await tx.audit.append(Event("plan.proposed", START, ANN, "PLAN-1"))
        await tx.audit.seal()
    await attacker.write("DELETE FROM audit WHERE kind = 'audit.rows_sealed'")
    await attacker.write(POSTED.format(mac="NULL"))
    with pytest.raises(AuditBrokenError, match="not vouched for"):
        await store.begin_chain(None, START, START)
    async with store.begin() as tx:
        assert await tx.outbox.find("forged") is None
