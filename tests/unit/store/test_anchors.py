"""Anchors of the audit chain, on a real file and at a real webhook on the loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import stat
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.ports import FileLayout
from bot.core.upkeep.anchoring import Anchoring
from bot.domain.audit import Anchor, Event
from bot.settings import ConfigDocument, ConfigError
from bot.settings.notification import anchor_config
from bot.store.anchors import AnchorConfig, AnchorFile, AnchorWebhook, read_anchors
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.decision import START
from tests.fixtures.webhook import Receiver, receiving
from tools.errors import BackendRefusedError, BackendUnavailableError

SECRET = "shared"
ONE = Anchor(7, "ab" * 32, START, 7)
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


async def sealed(store: SqlStore, count: int) -> None:
    async with store.begin() as tx:
        for number in range(count):
            await tx.audit.append(Event("plan.approved", START, "UANN", f"PLAN-{number}"))
        await tx.audit.seal()


def end_of(store: SqlStore) -> Callable[[], Awaitable[Anchor | None]]:
    async def end() -> Anchor | None:
        async with store.begin() as tx:
            return await tx.audit.head(START)

    return end


async def test_a_file_grows_by_a_line_per_anchor_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "far" / "anchors.jsonl"
    for count in (7, 9):
        await AnchorFile(path).put(replace(ONE, count=count))
    assert read_anchors(path) == [ONE, replace(ONE, count=9)]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_file_that_cannot_be_written_names_itself_and_its_setting(tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match=r"cannot be written .*audit\.anchor\.file"):
        await AnchorFile(tmp_path).put(ONE)


@pytest.mark.parametrize("line", ["{", "[]", '{"seq": 1}', '{"seq":"1","hash":"ab"}', "torn"])
def test_a_line_that_is_no_anchor_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "anchors.jsonl"
    good = {"seq": 7, "hash": ONE.hash, "sealed_at": START.isoformat(), "count": 7}
    path.write_text(f"{json.dumps(good)}\n{line}\n")
    with pytest.raises(ValueError, match=r"anchors\.jsonl:2 is no anchor"):
        read_anchors(path)


async def test_a_webhook_gets_the_signed_anchor(receiver: Receiver) -> None:
    await AnchorWebhook(AnchorConfig(webhook_url=receiver.url, secret=SECRET)).put(ONE)
    ((headers, body),) = receiver.got
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Signature-SHA256"] == expected
    assert json.loads(body) == {
        "seq": 7, "hash": ONE.hash, "sealed_at": START.isoformat(), "count": 7,
    }  # fmt: skip


async def test_a_webhook_that_says_no_is_told_without_its_secret_address(
    receiver: Receiver,
) -> None:
    receiver.status = 403
    with pytest.raises(BackendRefusedError) as refused:
        await AnchorWebhook(AnchorConfig(webhook_url=receiver.url, secret=SECRET)).put(ONE)
    assert "answered 403" in str(refused.value)
    assert "s3cret" not in str(refused.value)


async def test_a_dead_webhook_delays_no_file_and_gets_the_newest_end_when_it_is_back(
    receiver: Receiver, store: SqlStore, tmp_path: Path
) -> None:
    clock, path = FakeClock(START), tmp_path / "anchors.jsonl"
    places = AnchorConfig(file=path, webhook_url=receiver.url, secret=SECRET).places()
    anchoring = Anchoring(end_of(store), clock, places, TEN_MINUTES)
    receiver.status = 503
    await sealed(store, 3)
    with pytest.raises(BackendUnavailableError, match="answered 503"):
        await anchoring.tick()
    assert [each.count for each in read_anchors(path)] == [3]
    await sealed(store, 2)  # sealing went on
    clock.advance(seconds=5)
    with pytest.raises(BackendUnavailableError, match="answered 503"):
        await anchoring.tick()  # still told, not yet tried again
    assert len(receiver.got) == 1
    receiver.status = 200
    clock.advance(seconds=6)
    assert await anchoring.tick() == 1
    assert json.loads(receiver.got[-1][1])["count"] == 5
    assert [each.count for each in read_anchors(path)] == [3]  # its ten minutes are not over


async def test_a_chain_that_did_not_grow_is_not_anchored_again(
    store: SqlStore, tmp_path: Path
) -> None:
    clock, path = FakeClock(START), tmp_path / "anchors.jsonl"
    anchoring = Anchoring(end_of(store), clock, AnchorConfig(file=path).places(), TEN_MINUTES)
    assert await anchoring.tick() == 0  # nothing is sealed yet
    await sealed(store, 1)
    kept = []
    for _ in range(3):
        kept.append(await anchoring.tick())
        clock.advance(seconds=601)
    assert kept == [1, 0, 0]
    await sealed(store, 1)
    assert await anchoring.tick() == 1
    assert [each.count for each in read_anchors(path)] == [1, 2]


def document(**anchor: object) -> ConfigDocument:
    return ConfigDocument.model_validate({"audit": {"anchor": anchor}})


def test_a_webhook_needs_its_secret_and_an_address() -> None:
    with pytest.raises(ConfigError, match="AUDIT_ANCHOR_SECRET"):
        anchor_config(document(webhook_url="https://hooks.example/s3cret"), FileLayout(), "")
    with pytest.raises(ConfigError, match=r"audit\.anchor\.webhook_url must be") as wrong:
        anchor_config(document(webhook_url="hooks.example/s3cret"), FileLayout(), SECRET)
    assert "s3cret" not in str(wrong.value)
    assert anchor_config(document(), FileLayout(), "").places() == ()
