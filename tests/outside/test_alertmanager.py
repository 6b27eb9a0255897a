"""Alerts as senders really deliver them, to the whole bot over its own API.

Sources, read in November 2026: Alertmanager's documentation (webhook_config: `max_alerts` and
`truncatedAlerts`, a 4xx is not tried again, `repeat_interval`, `send_resolved`) and its API
(`/api/v2/alerts`); kube-prometheus' rules (Watchdog, InfoInhibitor, `severity: none`); Prometheus'
documentation of `honor_labels`; Grafana's webhook contact point, which has Alertmanager's form with
version "1"; public issues of receivers that lost a batch over one alert, kept an alert open for
weeks after its rule was deleted, or took kube-state-metrics for the culprit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from bot.core.detection.triage import Triage
from bot.core.shared.silent_reply import SilentReply
from bot.domain.alert import AlertEnding, Firing, Over
from bot.domain.anomaly import Acknowledged, FalseAlarm
from bot.domain.ids import UserId
from bot.domain.question import Question
from sandbox.slack.chat.people import BOB
from tests.fixtures.alert_sender import Sender, firing, resolved
from tests.fixtures.shift import PLACE, Shift
from tools.backends.alertmanager import Alertmanager
from tools.backends.transport import Connection
from tools.errors import BackendUnavailableError
from tools.world import Severity

# ------------------------------------------------------------------------------ one delivery


async def test_one_alert_that_cannot_be_read_refuses_no_other(sender: Sender) -> None:
    told = await sender.deliver(
        firing(service="shop", severity="critical"),  # no alertname
        firing("ShopDown", service="shop", severity="critical", code=503, canary=True),
        "nonsense",
        {**firing("Odd"), "startsAt": "yesterday"},
        {**firing("Odd"), "labels": {"alertname": "Odd", "x": {"nested": 1}}},
    )
    assert len(told["opened"]) == 1
    assert [each["index"] for each in told["refused"]] == [0, 2, 3, 4]
    assert "'alertname' is missing" in told["refused"][0]["why"]
    (alert,) = await sender.alerts()
    assert dict(alert.labels)["code"] == "503"
    assert dict(alert.labels)["canary"] == "true"
    assert (await sender.shift.audit("alerts.2")) == ["alert.refused"]


async def test_a_delivery_of_which_nothing_can_be_read_is_refused_and_says_why(
    sender: Sender,
) -> None:
    answer = await sender.post({"alerts": [firing(service="shop"), 7]})
    assert answer.status_code == 422
    assert "alerts.0: labels: 'alertname' is missing" in answer.json()["detail"]
    assert "none of 2 alerts can be read" in answer.json()["detail"]


async def test_what_has_alertmanagers_form_is_taken_whatever_its_version_says(
    sender: Sender,
) -> None:
    # webdevops/alertmanager2es #4: Grafana says version "1", and every delivery was thrown away.
    grafana = {**firing("DiskFull", service="shop", severity="high"), "values": {"A": 97}}
    told = await sender.deliver(grafana, version="1", orgId=1, title="[FIRING:1] DiskFull")
    assert len(told["opened"]) == 1


async def test_alerts_that_the_sender_left_out_are_told_with_what_it_sent(sender: Sender) -> None:
    told = await sender.deliver(
        firing("ShopDown", service="shop", severity="critical"), truncatedAlerts=12
    )
    assert told["left_out"] == 12
    (finding,) = await sender.findings()
    assert "left 12 more alerts out" in finding.notes[0]


async def test_people_read_the_alerts_own_words_and_no_figure_that_nobody_measured(
    shift: Shift, sender: Sender
) -> None:
    says = {
        "summary": "Replication lag of shop above 30 s",
        "description": "Replica shop-1 is 47 s behind. Page the DBA on call.",
        "runbook_url": "https://runbooks.example.com/lag",
    }
    async with shift.running():
        await sender.deliver(firing("ReplicationLag", says, service="shop", severity="critical"))

        def card() -> dict[str, Any] | None:
            said = shift.slack.messages("#incidents")
            return next((m for m in said if "Replica shop-1" in str(m["blocks"])), None)

        text = str((await shift.wait_for(card))["blocks"])
    since = "firing since 2026-11-19 22:20 UTC"  # yesterday's: a clock alone would mislead
    for words in (*says.values(), "ReplicationLag fires for shop", "Critical", since):
        assert words in text
    for invented in ("σ", "expected", "too high", "nan", "–,"):
        assert invented not in text


async def test_a_word_for_a_severity_that_no_table_knows_is_told_and_never_a_middle_value(
    sender: Sender,
) -> None:
    await sender.deliver(firing("Odd", service="shop", severity="sehr schlimm"))
    await sender.deliver(firing("Bare", service="cart"))
    findings = await sender.findings()
    notes = " ".join(note for f in findings for note in f.notes)
    assert "sehr schlimm" in notes
    assert "says no severity" in notes
    assert {f.severity for f in findings} == {Severity.HIGH}


async def test_an_info_alert_and_an_inhibitor_disturb_nobody(sender: Sender) -> None:
    await sender.deliver(
        firing("InfoInhibitor", severity="none", namespace="trading"),
        firing("CPUThrottlingHigh", severity="info", service="shop"),
    )
    assert await sender.findings() == []
    assert {a.severity for a in await sender.alerts()} == {Severity.LOW}


async def test_the_culprit_is_the_pods_workload_and_not_kube_state_metrics(
    shift: Shift, sender: Sender
) -> None:
    (pod,) = [
        name
        for kind, _, name in shift.cluster.objects
        if kind == "Pod" and name.startswith("shop-")
    ][:1]
    await sender.deliver(
        firing(
            "KubePodCrashLooping", severity="critical", job="kube-state-metrics",
            instance="10.0.0.9:8080", namespace="trading", pod=pod,
        )
    )  # fmt: skip
    (alert,) = await sender.alerts()
    assert (alert.service, alert.subject) == ("shop", f"trading/Pod/{pod}")


async def test_a_secret_in_an_alert_reaches_nobody(sender: Sender) -> None:
    secret = "hunter22x-in-alert"
    says = {"summary": f"login failed: password={secret}", "description": f"token={secret}"}
    await sender.deliver(
        firing("LoginFails", says, service="shop", severity="page", dsn=f"redis://:{secret}@r:1"),
        firing(f"password={secret}", service="shop"),
        {**firing("X"), "startsAt": f"password={secret}"},
    )
    async with sender.shift.store.begin() as tx:
        rows = await tx.audit.tail(200)
    kept = repr((await sender.alerts(), await sender.findings(), rows))
    assert secret not in kept
    assert "LoginFails" in kept


async def test_who_asks_hears_of_an_alert_though_no_metric_is_abnormal(
    shift: Shift, sender: Sender
) -> None:
    says = {"summary": "Replication lag of shop above 30 s"}
    await sender.deliver(firing("ReplicationLag", says, service="shop", severity="critical"))
    run = await shift.bot.desk.open(Question("what is wrong with shop?", PLACE, "mention"))
    assert run is not None
    answer = await shift.bot.desk.answer(run, SilentReply())
    assert answer is not None
    lead = answer.text.partition("\n")[0]
    assert "**ReplicationLag fires for shop**: Replication lag of shop above 30 s" in lead
    assert "Nothing is wrong" not in answer.text
    (evidence,) = [e for e in answer.evidence if e.tool == "list_alerts"]
    assert f"[{evidence.id}]" in lead


async def test_the_webhook_out_is_told_an_alerts_own_words(sender: Sender) -> None:
    says = {"summary": "Nothing answers", "runbook_url": "https://runbooks.example.com/down"}
    await sender.deliver(firing("ShopDown", says, service="shop", severity="page"))
    async with sender.shift.store.begin() as tx:
        (opened,) = [r.event for r in await tx.audit.tail(50) if r.event.kind == "finding.opened"]
    (told,) = opened.facts["alerts"]
    assert (told["alert"], told["summary"], told["severity"]) == (
        "ShopDown", "Nothing answers", "page",
    )  # fmt: skip
    assert told["runbook"] == says["runbook_url"]


# ------------------------------------------------------------------------------ its life


async def test_a_resolve_ends_it_in_its_thread_and_a_late_firing_opens_nothing(
    sender: Sender,
) -> None:
    alert = firing("ShopDown", service="shop", severity="critical")
    await sender.deliver(alert)
    sender.shift.clock.advance(minutes=5)
    await sender.deliver(resolved(alert, "2026-11-20T14:03:00Z"))
    (finding,) = await sender.findings()
    assert finding.resolved_at is not None
    async with sender.shift.store.begin() as tx:
        notice = await tx.outbox.find(f"finding-resolved:{finding.id}")
    assert notice is not None  # it resolves when its series vanish, too: nobody knows more
    assert notice.body["text"] == f"✅ shop: ShopDown stopped firing after 5 min ({finding.id})."
    # alertmanager #2447: the other one of the pair sends what it still holds, after the end.
    told = await sender.deliver(alert)
    assert (told["opened"], told["unchanged"]) == ([], 1)
    assert len(await sender.findings()) == 1


async def test_an_end_that_overtakes_its_beginning_leaves_nothing_open(sender: Sender) -> None:
    """A pair, or a queue between: the resolve is here first, and nobody will say it again."""
    down = firing("ShopDown", service="shop", severity="critical")
    over = resolved(down, "2026-11-19T22:25:00Z")
    for _ in range(2):
        await sender.deliver(over, down, over)
    (alert,) = await sender.alerts()
    assert isinstance(alert.state, Over)
    again = {**down, "startsAt": "2026-11-19T22:26:00Z"}
    await sender.deliver(resolved(again, "2026-11-19T22:27:00Z"))
    told = await sender.deliver(again)
    assert (told["opened"], await sender.findings()) == ([], [])
    told = await sender.deliver({**down, "startsAt": "2026-11-19T22:28:00Z"})
    assert len(told["opened"]) == 1


async def test_an_end_of_a_sender_without_beginnings_ends_it_though_its_clock_is_behind(
    sender: Sender,
) -> None:
    down = {**firing("ShopDown", service="shop", severity="critical"), "startsAt": None}
    await sender.deliver(down)
    await sender.minutes(5)
    told = await sender.deliver(resolved(down, "2026-11-19T12:00:00Z"))
    assert len(told["resolved"]) == 1


async def test_an_alert_that_nobody_ends_is_over_after_a_while_and_the_thread_says_how(
    sender: Sender,
) -> None:
    await sender.deliver(firing("ShopDown", service="shop", severity="critical"))
    await sender.minutes(24 * 60, every=30)
    assert (await sender.alerts())[0].active
    await sender.minutes(2 * 60, every=30)
    (alert,) = await sender.alerts()
    assert isinstance(alert.state, Over)
    assert alert.state.how is AlertEnding.EXPIRED
    (finding,) = await sender.findings()
    assert finding.resolved_at is not None
    async with sender.shift.store.begin() as tx:
        notice = await tx.outbox.find(f"finding-resolved:{finding.id}")
    assert notice is not None
    assert "nobody said that it is resolved" in notice.body["text"]


async def test_what_was_ended_for_silence_goes_on_when_it_is_repeated(sender: Sender) -> None:
    alert = firing("ShopDown", service="shop", severity="critical")
    await sender.deliver(alert)
    await sender.minutes(26 * 60, every=60)
    told = await sender.deliver(alert)
    assert len(told["opened"]) == 1
    (only,) = await sender.alerts()
    assert isinstance(only.state, Firing)
    assert [f.resolved_at is None for f in await sender.findings()].count(True) == 1


async def test_people_answer_for_alerts_as_for_anomalies(sender: Sender) -> None:
    alert = firing("ShopDown", service="shop", severity="critical")
    await sender.deliver(alert)
    (finding,) = await sender.findings()
    triage = Triage(sender.shift.store, sender.shift.clock)
    assert await triage.acknowledge(finding.id, UserId(BOB)) == 1
    assert isinstance((await sender.alerts())[0].state, Acknowledged)
    assert await triage.false_alarm(finding.id, UserId(BOB)) == 1
    await sender.deliver(alert)  # repeated: still none, and nothing new is told
    assert isinstance((await sender.alerts())[0].state, FalseAlarm)
    (finding,) = await sender.findings()
    assert finding.resolved_at is not None


# ------------------------------------------------------------------------------ heartbeats


async def test_a_heartbeat_is_no_trouble_and_its_silence_is(sender: Sender) -> None:
    watchdog = firing("Watchdog", severity="none")
    for _ in range(4):
        told = await sender.deliver(watchdog)
        await sender.minutes(5)
    assert told["heartbeats"] == 1
    assert await sender.findings() == []
    await sender.minutes(14)
    (finding,) = await sender.findings()
    assert finding.severity is Severity.CRITICAL
    assert "alerts may not arrive" in finding.lines[0]
    await sender.deliver(watchdog)
    await sender.minutes(1)
    (finding,) = await sender.findings()
    assert finding.resolved_at is not None


async def test_a_heartbeat_that_is_told_resolved_is_trouble_at_once(sender: Sender) -> None:
    watchdog = firing("Watchdog", severity="none")
    await sender.deliver(watchdog)
    await sender.deliver(resolved(watchdog, "2026-11-20T14:00:00Z"))
    await sender.minutes(1)
    (finding,) = await sender.findings()
    assert "stopped" in finding.lines[0]


async def test_who_repeats_a_heartbeat_every_twelve_hours_is_not_called_silent(
    sender: Sender,
) -> None:
    watchdog = firing("Watchdog", severity="none")
    for _ in range(3):
        await sender.deliver(watchdog)
        await sender.minutes(12 * 60, every=60)
    assert await sender.findings() == []


class Asked:
    """An Alertmanager whose list of alerts a test holds in its hand."""

    def __init__(self) -> None:
        self.alerts: list[dict[str, Any]] | None = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v2/alerts"
        if self.alerts is None:
            return httpx.Response(200, json={"status": "success"})  # a proxy's own answer
        return httpx.Response(200, json=self.alerts)


async def test_who_asks_alertmanager_knows_within_minutes_that_an_alert_is_gone(
    sender: Sender,
) -> None:
    alert = firing("ShopDown", service="shop", severity="critical")
    asked = Asked()
    source = Alertmanager(Connection(url="http://am"), httpx.MockTransport(asked))
    expiry = replace(sender.shift.bot.work.alerting.expiry, source=source)
    await sender.deliver(alert)
    asked.alerts = [{"labels": alert["labels"], "status": {"state": "suppressed"}}]
    for _ in range(30 * 60):  # silenced for longer than any repetition: it fires all the same
        sender.shift.clock.advance(minutes=1)
        if sender.shift.clock.now().minute % 30 == 0:
            assert await expiry.tick() == 0
    assert (await sender.alerts())[0].active
    asked.alerts = None
    sender.shift.clock.advance(minutes=6)
    with pytest.raises(BackendUnavailableError, match="none that we can read"):
        await expiry.tick()
    assert (await sender.alerts())[0].active  # no answer proves nothing
    asked.alerts = []
    assert await expiry.tick() == 0  # one look is none
    assert await expiry.tick() == 1
    (over,) = await sender.alerts()
    assert isinstance(over.state, Over)
    assert over.state.how is AlertEnding.GONE
    await source.close()
