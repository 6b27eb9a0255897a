"""A real Alertmanager (Debian's) and the whole bot, with its Slack.

Sources, read in November 2026: Alertmanager's documentation of `group_interval`, `repeat_interval`
and retries of webhooks (connection refused and 5xx are tried again, 4xx are not); it keeps
notifications and silences over a restart, and no alerts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.core.upkeep.api_tokens import Tokens
from bot.domain.access import Scope
from bot.domain.alert import Alert, AlertEnding, Over
from bot.domain.ids import UserId
from sandbox.slack.chat.people import BOB
from tests.fixtures.alert_sender import Sender
from tests.fixtures.real_prometheus import free_address, program
from tests.fixtures.shift import Shift
from tests.patience import PATIENCE
from tools.backends.alertmanager import Alertmanager
from tools.backends.transport import Connection

CONFIG = """
route:
  receiver: bot
  group_by: [alertname, service]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1s
receivers:
- name: bot
  webhook_configs:
  - url: http://127.0.0.1:{port}/api/v1/alerts
    http_config:
      authorization: {{type: Bearer, credentials: {token}}}
"""


@contextmanager
def alertmanager(folder: Path, address: str) -> Iterator[str]:
    """Run a real Alertmanager that keeps its state in a folder; yield its address."""
    command = [
        "prometheus-alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with program(command, folder / "log", f"http://{address}/-/ready"):
        yield f"http://{address}"


async def put(url: str, *alerts: dict[str, Any]) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{url}/api/v2/alerts", json=list(alerts))
        assert answer.status_code == 200, answer.text


@pytest.mark.needs_alertmanager
async def test_a_real_alertmanager_fires_repeats_is_restarted_and_resolves(
    sender: Sender, tmp_path: Path
) -> None:
    shift = sender.shift
    await shift.bot.api.start()
    secret, _ = await Tokens(shift.store, shift.clock).create(UserId(BOB), "am", Scope.INGEST)
    config = CONFIG.format(port=shift.bot.api.port, token=secret)
    (tmp_path / "alertmanager.yml").write_text(config, encoding="utf-8")
    address = free_address()
    labels = {"alertname": "ShopDown", "service": "shop", "severity": "page"}
    words = {"summary": "Nothing answers"}

    async def wait(is_it: Callable[[Alert], bool]) -> Alert:
        return await heard(sender, is_it)

    async def wait_anew() -> Alert:
        shift.clock.advance(minutes=1)
        return await wait(lambda alert: alert.heard_at == shift.clock.now())

    try:
        with alertmanager(tmp_path, address) as url:
            await put(url, {"labels": labels, "annotations": words})
            first = await wait(lambda alert: alert.active)
            assert (first.active, first.summary) == (True, "Nothing answers")
            source = Alertmanager(Connection(url=url))
            assert [dict(each) for each in await source.firing()] == [labels]
            assert (await source.health()).up
            await source.close()
            assert (await wait_anew()).id == first.id  # repeated: still the same
        # alertmanager #889: after a restart it knows nothing of the alert itself until told again.
        with alertmanager(tmp_path, address) as url:
            await put(url, {"labels": labels, "annotations": words})
            assert (await wait_anew()).id == first.id
            await shift.bot.work.telling.alerts()
            await put(url, {"labels": labels, "endsAt": datetime.now(UTC).isoformat()})
            await wait(lambda alert: not alert.active)
            await shift.bot.work.telling.alerts()
    finally:
        await shift.bot.api.stop()
    (only,) = await sender.alerts()
    assert isinstance(only.state, Over)
    assert only.state.how is AlertEnding.TOLD
    (finding,) = await sender.findings()
    assert finding.resolved_at is not None


async def heard(sender: Sender, is_it: Callable[[Alert], bool]) -> Alert:
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [each for each in await sender.alerts() if is_it(each)]
            if found:
                return found[0]
            await asyncio.sleep(0.05)


def an_alert(name: str, **more: Any) -> dict[str, Any]:
    labels = {"alertname": name, "service": "shop", "severity": "page"}
    return {"labels": labels, "annotations": {"summary": f"{name} of shop"}, **more}


@pytest.mark.needs_alertmanager
async def test_a_group_lives_in_one_thread_and_its_next_spell_in_another(
    shift: Shift, sender: Sender, tmp_path: Path
) -> None:
    """It fires while the bot is away, loses one alert, is restarted, ends, and fires anew."""
    secret, _ = await Tokens(shift.store, shift.clock).create(UserId(BOB), "am", Scope.INGEST)
    address, port = free_address(), int(free_address().rpartition(":")[2])
    config = CONFIG.replace("[alertname, service]", "[service]").format(port=port, token=secret)
    (tmp_path / "alertmanager.yml").write_text(config, encoding="utf-8")
    shift.stand.configure(api=replace(shift.stand.settings.api, port=port))

    def cards() -> list[dict[str, Any]]:
        """Return the findings' cards; the incident that owns them has one of its own."""
        told = [(m, str(m["blocks"])) for m in shift.slack.messages("#incidents")]
        return [m for m, text in told if "ShopDown" in text and "'block_id': 'INC-" not in text]

    async def sees(*words: str, ts: str = "") -> dict[str, Any]:
        """Let a minute pass; wait until a card, or its thread, says these words."""
        shift.clock.advance(minutes=1)
        await shift.bot.work.telling.alerts()

        def look() -> dict[str, Any] | None:
            found = shift.slack.thread("#incidents", ts)[1:] if ts else cards()[::-1]
            return next((m for m in found if all(word in str(m) for word in words)), None)

        return await shift.wait_for(look)

    async with shift.running():
        try:
            with alertmanager(tmp_path, address) as url:
                await put(url, an_alert("ShopDown"), an_alert("ShopSlow"))
                async with asyncio.timeout(PATIENCE):
                    while "refused" not in (tmp_path / "log").read_text(encoding="utf-8"):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)
                await shift.bot.api.start()
                slow = await heard(sender, lambda alert: alert.name == "ShopSlow")
                down = await heard(sender, lambda alert: alert.name == "ShopDown")
                assert slow.group_key == down.group_key != ""
                card = await sees("ShopDown of shop", "ShopSlow of shop")
                await put(url, an_alert("ShopSlow", endsAt=datetime.now(UTC).isoformat()))
                await heard(sender, lambda alert: alert.id == slow.id and not alert.active)
            with alertmanager(tmp_path, address) as url:
                await put(url, an_alert("ShopDown"))
                shift.clock.advance(minutes=1)
                now = shift.clock.now()
                again = await heard(sender, lambda a: a.name == "ShopDown" and a.heard_at == now)
                assert again.id == down.id
                (finding,) = await sender.findings()
                # alertmanager #1403: the end of one of a group was told only with the last one's.
                assert finding.resolved_at is None
                await put(url, an_alert("ShopDown", endsAt=datetime.now(UTC).isoformat()))
                await heard(sender, lambda alert: alert.id == down.id and not alert.active)
                await sees("stopped firing", ts=card["ts"])
                await put(url, an_alert("ShopDown"))
                anew = await heard(sender, lambda alert: alert.active)
                assert anew.id != down.id
                await sees()
                await shift.wait_for(lambda: len(cards()) == 2 or None)
        finally:
            await shift.bot.api.stop()
        assert len(await sender.findings()) == 2
        assert "ShopSlow" not in str(cards()[-1])
