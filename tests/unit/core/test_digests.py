"""Digests: what is told, when it is quiet, and that a slot is told once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.core.reports.digests import DigestDesk
from bot.domain.finding import BreachForecast
from bot.domain.ids import ChannelId, FindingId, Ts
from bot.domain.plans.approval import Approved
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.plan_life import Succeeded
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import SqlStore
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import NOW, a_finding, a_record
from tools.errors import BackendUnavailableError
from tools.world import Change, ChangeKind

DIGEST = ChannelId("C0DIGEST")
HOUR = timedelta(hours=1)


def a_desk(store: SqlStore, clock: FakeClock, language: str = "en", **more: Any) -> DigestDesk:
    return DigestDesk(store, clock, lambda _: Texts(language), Redactor(), **more)


async def told(store: SqlStore) -> list[dict]:
    async with store.begin() as tx:
        rows: list[dict[str, Any]] = []
        while row := await tx.outbox.claim("test", NOW, HOUR):
            await tx.outbox.posted(row.id, Ts(f"{len(rows)}.1"), NOW)
            rows.append(dict(row.body) | {"view": row.view, "channel": row.channel})
        return rows


async def test_nothing_new_is_one_line(store: SqlStore) -> None:
    await a_desk(store, FakeClock(NOW)).tell(DIGEST, NOW)
    (body,) = await told(store)
    assert (body["view"], body["channel"], body["quiet"]) == ("digest", DIGEST, True)
    assert body["sections"] == []
    assert body["title"].startswith("Nothing new since 2026-11-19 14:00 UTC")


async def test_a_slot_is_told_once_whoever_else_tries(store: SqlStore) -> None:
    clock = FakeClock(NOW)
    assert await a_desk(store, clock).tell(DIGEST, NOW)
    assert not await a_desk(store, clock).tell(DIGEST, NOW)
    assert len(await told(store)) == 1
    async with store.begin() as tx:
        kinds = [row.event.kind for row in await tx.audit.tail()]
    assert [kind for kind in kinds if kind != "outbox.posted"] == ["digest.told"]


async def test_a_digest_tells_what_changed_since_the_last_one(store: SqlStore) -> None:
    clock = FakeClock(NOW)
    await a_desk(store, clock).tell(DIGEST, NOW)
    clock.advance(hours=24)
    slot = clock.now()
    old = replace(a_finding("FND-0000aa"), opened_at=NOW - HOUR, resolved_at=NOW + HOUR)
    new = replace(a_finding("FND-0000bb"), opened_at=NOW + 2 * HOUR)
    past = replace(a_finding("FND-0000cc"), opened_at=NOW - 3 * HOUR, resolved_at=NOW - HOUR)
    ended = a_record("PLAN-0000aa")
    done = Approved(ended.plan.id, ended.plan.digest, (), NOW)
    ended = ended.to(Succeeded(done, "it helped", NOW + HOUR))
    deploy = Change(NOW + HOUR, ChangeKind.DEPLOY, "order-api", "order-api 2.14 → 2.15")
    scaled = Change(NOW + HOUR, ChangeKind.SCALE, "order-api", "replicas 3 → 4")

    async def breaches() -> list[BreachForecast]:
        return [BreachForecast("memory_usage", slot + HOUR, 0.95, 0.9, "ratio", "holt_winters")]

    async with store.begin() as tx:
        for finding in (old, new, past):
            await tx.findings.save(finding)
        await tx.plans.add(ended)
        await tx.plans.add(a_record("PLAN-0000bb"))
    desk = a_desk(store, clock, changes=FakeChanges([deploy, scaled]), breaches=breaches)
    await desk.tell(DIGEST, slot)
    body = (await told(store))[-1]
    sections = {s["title"]: s["lines"] for s in body["sections"]}
    assert list(sections) == [
        "Waiting for an answer",
        "New findings",
        "Resolved",
        "Plans that ended",
        "Deployed and changed",
        "Will breach within 6 h",
    ]
    assert "PLAN-0000bb" in sections["Waiting for an answer"][0]
    assert [FindingId("FND-0000bb") in line for line in sections["New findings"]] == [True]
    assert sections["Resolved"] == ["order-api after 120 min (FND-0000aa)"]
    assert sections["Plans that ended"] == ["Roll back order-api: succeeded (PLAN-0000aa)"]
    assert sections["Deployed and changed"] == ["11-20 15:00 · order-api: order-api 2.14 → 2.15"]
    assert sections["Will breach within 6 h"] == [
        "memory_usage: 95 % at 11-21 15:00 UTC, limit 90 %"
    ]


async def test_a_dead_backend_is_named_and_the_rest_is_told(store: SqlStore) -> None:
    class Dead:
        async def recent(self, *_: object) -> list[Change]:
            raise BackendUnavailableError("kubernetes", "connection refused")

    await a_desk(store, FakeClock(NOW), changes=Dead()).tell(DIGEST, NOW)
    (body,) = await told(store)
    assert body["sections"] == [
        {"title": "Could not be looked at", "lines": ["kubernetes: connection refused"]}
    ]


async def test_a_digest_somebody_asks_for_takes_nothing_from_the_scheduled_one(
    store: SqlStore,
) -> None:
    clock = FakeClock(NOW)
    desk = a_desk(store, clock, "zh")
    asked = await desk.preview(DIGEST)
    assert await desk.tell(DIGEST, NOW)
    bodies = await told(store)
    assert [b["quiet"] for b in (asked, *bodies)] == [True, True]
    assert asked["title"].startswith("自 ")


async def test_every_plan_status_has_its_word_in_both_languages() -> None:
    for language in ("en", "zh"):
        for status in PlanStatus:
            assert Texts(language).say(f"digest.status_{status.value}")


class Telling(FakeChanges):
    """Changes whose text holds a secret, then a store that fails with one in its words."""

    async def recent(self, *_: Any, **__: Any) -> list[Change]:
        text = "flag payments: password=hunter22hunter"
        return [Change(NOW, ChangeKind.FLAG, "order-api", text, "", "", "ci")]


async def denied() -> list[BreachForecast]:
    raise BackendUnavailableError("prometheus", "no answer to Bearer abcdefghijklmnop")


async def test_what_changed_and_what_could_not_be_seen_are_told_without_secrets(
    store: SqlStore,
) -> None:
    desk = a_desk(store, FakeClock(NOW), changes=Telling(), breaches=denied)
    await desk.tell(DIGEST, NOW)
    (body,) = await told(store)
    said = repr(body)
    assert "hunter22" not in said
    assert "abcdefghijklmnop" not in said
    assert said.count("[redacted: ") == 2
