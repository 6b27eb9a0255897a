"""The webhook besides Slack: in order, nothing left out, nothing personal, a real receiver."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot.core.reports.webhook_notices import Notifier
from bot.core.upkeep.heartbeat import HeartbeatSender
from bot.domain.audit import Event
from bot.settings import ConfigDocument, ConfigError
from bot.settings.notification import webhook_config
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fixtures.webhook import Receiver, receiving
from tools.backends.webhook import Webhook, WebhookConfig
from tools.errors import BackendRefusedError, BackendUnavailableError


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def posted(receiver: Receiver) -> list[dict[str, object]]:
    return [json.loads(body) for body in receiver.taken]


def subjects(receiver: Receiver) -> list[object]:
    return [each["subject"] for each in posted(receiver)]


def notifier(store: SqlStore, receiver: Receiver, clock: FakeClock | None = None) -> Notifier:
    config = WebhookConfig(url=receiver.url, setting="notification.webhook.url")
    return Notifier(store, clock or FakeClock(), Webhook(config))


async def happen(store: SqlStore, *subjects: str, kind: str = "plan.approved") -> None:
    async with store.begin() as tx:
        for subject in subjects:
            facts = {"service": "order-api"}
            at = FakeClock().now()
            event = Event(kind, at, "UANN", subject, facts=facts, private="Bob is on sick leave")
            await tx.audit.append(event)
        await tx.audit.seal()


async def test_what_happens_is_posted_once_in_its_order(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "PLAN-1", "PLAN-2")
    assert await told.tick() == 2
    await happen(store, "PLAN-3")
    assert await told.tick() == 1
    assert await told.tick() == 0
    assert subjects(receiver) == ["PLAN-1", "PLAN-2", "PLAN-3"]
    first = posted(receiver)[0]
    assert first["kind"] == "plan.approved"
    assert first["facts"] == {"service": "order-api"}


async def test_what_was_before_the_webhook_is_not_told(store: SqlStore, receiver: Receiver) -> None:
    await happen(store, "PLAN-old")
    told = notifier(store, receiver)
    assert await told.tick() == 0
    await happen(store, "PLAN-new")
    await told.tick()
    assert subjects(receiver) == ["PLAN-new"]


async def test_personal_text_and_inner_affairs_stay_inside(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "PLAN-1", kind="plan.rejected")
    await happen(store, "query_metric", kind="tool.called")
    await told.tick()
    assert subjects(receiver) == ["PLAN-1"]
    assert "sick leave" not in json.dumps(posted(receiver))


async def test_a_dead_receiver_gets_everything_when_it_is_back(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "PLAN-1", "PLAN-2", "PLAN-3")
    receiver.answers = [204, 503]
    with pytest.raises(BackendUnavailableError, match=r"hooks\.example answered 503"):
        await told.tick()
    restarted = notifier(store, receiver)
    assert await restarted.tick() == 2
    assert subjects(receiver) == ["PLAN-1", "PLAN-2", "PLAN-3"]
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert keys[1] == keys[2]  # the same key: a receiver may tell a repetition


async def test_a_receiver_that_stays_dead_is_asked_ever_more_patiently_and_stays_told(
    store: SqlStore, receiver: Receiver
) -> None:
    clock = FakeClock()
    told = notifier(store, receiver, clock)
    await told.tick()
    await happen(store, "PLAN-1")
    receiver.answers = [503] * 20
    asked: list[int] = []
    for second in range(200):
        with pytest.raises(BackendUnavailableError, match="answered 503"):
            await told.tick()  # a failing job, though nobody is asked in most of them
        if len(receiver.got) > len(asked):
            asked.append(second)
        clock.advance(timedelta(seconds=1))
    assert asked == [0, 10, 30, 70, 130, 190]
    receiver.answers = []
    clock.advance(timedelta(minutes=1))
    assert await told.tick() == 1
    assert subjects(receiver) == ["PLAN-1"]
    assert await told.tick() == 0  # well again: asked at once


async def test_one_object_that_is_refused_for_good_does_not_hold_up_the_others(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "PLAN-1", "PLAN-2")
    receiver.answers = [413]
    assert await told.tick() == 1
    assert subjects(receiver) == ["PLAN-2"]


async def test_a_wrong_address_names_the_setting_and_never_the_address(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "PLAN-1")
    receiver.answers = [404]
    with pytest.raises(BackendRefusedError, match=r"check notification\.webhook\.url") as wrong:
        await told.tick()
    assert "s3cret" not in str(wrong.value)


def test_an_address_that_is_none_is_an_error_that_does_not_quote_it() -> None:
    def document(url: str) -> ConfigDocument:
        return ConfigDocument.model_validate({"notification": {"webhook": {"url": url}}})

    with pytest.raises(ConfigError, match=r"notification\.webhook\.url must be an http") as wrong:
        webhook_config(document("hooks.example/s3cret"))
    assert "s3cret" not in str(wrong.value)
    found = webhook_config(document("https://hooks.example/s3cret"))
    assert found is not None
    assert "s3cret" not in repr(found)


async def test_a_serious_incident_that_slack_does_not_take_is_told(
    store: SqlStore, receiver: Receiver
) -> None:
    told = notifier(store, receiver)
    await told.tick()
    await happen(store, "INC-2026-0001", kind="incident.unreached")
    assert await told.tick() == 1
    assert posted(receiver)[0]["kind"] == "incident.unreached"


async def test_a_sign_of_life_says_how_the_bot_is(store: SqlStore, receiver: Receiver) -> None:
    monitor = Webhook(WebhookConfig(url=receiver.url, setting="notification.heartbeat.url"))
    failing = {"digest": "slack is away", "heartbeat.send": "it could not be sent"}
    for each in ({}, failing):
        await HeartbeatSender(store, FakeClock(), monitor, lambda each=each: each).tick()  # type: ignore[misc]
    assert [(b["status"], b["failing"]) for b in posted(receiver)] == [
        ("up", []), ("degraded", ["digest"]),
    ]  # fmt: skip


async def test_without_its_database_the_bot_gives_no_sign_of_life(receiver: Receiver) -> None:
    class Gone:
        def begin(self) -> object:
            raise BackendUnavailableError("database", "it is away")

    monitor = Webhook(WebhookConfig(url=receiver.url, setting="notification.heartbeat.url"))
    sender = HeartbeatSender(Gone(), FakeClock(), monitor, dict)  # type: ignore[arg-type]
    with pytest.raises(BackendUnavailableError):
        await sender.tick()
    assert posted(receiver) == []
