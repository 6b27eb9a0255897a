"""Deliveries in the forms that bridges, proxies and Alertmanager's kin really send.

Each case names whom it went wrong for in public (read in November 2026), in our words.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.alert_sender import FIRED, Sender, firing, resolved
from tests.fixtures.shift import Shift
from tools.world import Severity

ALERT = firing("ShopDown", {"summary": "Nothing answers"}, service="shop", severity="critical")

# What stands around the alerts of a delivery refuses none of them.
AROUND: dict[str, dict[str, Any]] = {
    # prometheus-msteams #130: a bridge turned the maps around the alerts into texts.
    "maps that became texts": {"groupLabels": "", "commonLabels": "", "commonAnnotations": ""},
    # Go writes `null` for a map that was never made; receivers that wanted an object refused all.
    "maps that were never made": {"groupLabels": None, "commonLabels": None, "groupKey": None},
    # PHP writes an empty map as a list.
    "maps that became lists": {"groupLabels": [], "commonAnnotations": []},
    # Hand-made JSON and Grafana before 9: the version as a number, counts as texts or not at all.
    "numbers as they come": {"version": 4, "truncatedAlerts": None, "groupKey": 7},
    "a count that is none": {"truncatedAlerts": -1, "groupLabels": {"team": None}},
}


@pytest.mark.parametrize("case", AROUND)
async def test_what_stands_around_alerts_refuses_none(sender: Sender, case: str) -> None:
    told = await sender.deliver(ALERT, **AROUND[case])
    assert (len(told["opened"]), told["refused"], told["left_out"]) == (1, [], 0)


# What stands beside its labels costs an alert nothing but that.
BESIDE: dict[str, dict[str, Any]] = {
    # benjojo/alertmanager-discord #15: without one annotation nothing was sent, nor said.
    "no words at all": {"annotations": None},
    "words in another form": {"annotations": {"summary": "Nothing answers", "links": ["a"]}},
    "no rule to look at": {"generatorURL": None},
    # keephq/keep #4468: an alert whose address is an empty text could not be parsed.
    "a rule's address that is empty": {"generatorURL": ""},
    # Alertmanager takes an alert without times; some senders write the zero of their language.
    "no beginning": {"startsAt": None},
    "the zero time of Go": {"startsAt": "0001-01-01T00:00:00Z"},
    "the zero time of Unix": {"startsAt": "1970-01-01T00:00:00Z"},
    # prometheus/alertmanager #3351: all that fires ends in the year one; no end is meant by that.
    "an end in the year one": {"endsAt": "0001-01-01T00:00:00Z"},
    # Some write the end of all days for "it fires": beyond what many calendars know.
    "an end that never comes": {"endsAt": "9999-12-31T23:59:59Z"},
    "an end that is none": {"endsAt": "-"},
    "its state in capitals": {"status": "FIRING"},
    "a label without a value": {"labels": {**ALERT["labels"], "team": None}},
}


@pytest.mark.parametrize("case", BESIDE)
async def test_what_stands_beside_its_labels_costs_an_alert_nothing_else(
    sender: Sender, case: str
) -> None:
    told = await sender.deliver({**ALERT, **BESIDE[case]})
    assert (len(told["opened"]), told["refused"]) == (1, [])
    (alert,) = await sender.alerts()
    assert (alert.name, alert.service, alert.severity) == ("ShopDown", "shop", Severity.CRITICAL)
    began = alert.started_at
    assert began == (alert.heard_at if "startsAt" in BESIDE[case] else began.fromisoformat(FIRED))


# Keys that some leave out; an alert is complete without them.
LEFT_OUT = (
    "generatorURL",  # zulip #39271: put in by hand over the API, it names no rule
    "fingerprint", "annotations", "endsAt",
)  # fmt: skip


@pytest.mark.parametrize("key", LEFT_OUT)
async def test_a_key_that_is_left_out_costs_an_alert_nothing(sender: Sender, key: str) -> None:
    told = await sender.deliver({name: ALERT[name] for name in ALERT if name != key})
    assert (len(told["opened"]), told["refused"]) == (1, [])


async def test_a_test_alert_of_grafana_is_taken(sender: Sender) -> None:
    """alertmanager-webhook-signal #5: no values, no rule, a zone, a group key of two lines."""
    told = await sender.deliver(
        {
            **firing("TestAlert", {"summary": "Notification test"}, instance="Grafana"),
            "startsAt": "2026-11-20T14:12:07.92607674+01:00", "generatorURL": "", "values": None,
            "dashboardURL": "", "valueString": "[ metric='foo' labels={instance=bar} value=10 ]",
        },
        version="1", groupKey='{alertname="TestAlert",\ninstance="Grafana"}', orgId=1, receiver="",
    )  # fmt: skip
    assert (len(told["opened"]), told["refused"]) == (1, [])
    (alert,) = await sender.alerts()
    assert alert.started_at.isoformat().startswith("2026-11-20T13:12:07")


async def test_an_end_without_a_beginning_tells_nobody(sender: Sender) -> None:
    """alertmanager #878: it was over before its group was first told; the end came all the same."""
    told = await sender.deliver(resolved(ALERT, "2026-11-19T22:25:00Z"))
    assert (told["opened"], told["refused"], await sender.findings()) == ([], [], [])


async def test_an_end_whose_beginning_is_the_year_one_ends_what_fires(sender: Sender) -> None:
    """alertmanager #1191: an end was sent with a zero for its beginning, and was refused."""
    await sender.deliver(ALERT)
    await sender.minutes(5)
    end = {**resolved(ALERT, "2026-11-20T14:03:00Z"), "startsAt": "0001-01-01T00:00:00Z"}
    assert len((await sender.deliver(end))["resolved"]) == 1
    assert not (await sender.alerts())[0].active


async def test_an_exporters_own_pod_is_no_culprit_where_labels_clashed(
    shift: Shift, sender: Sender
) -> None:
    """kubernetes-mixin #728: without `honor_labels` the pod in trouble is in `exported_pod`."""
    pod = next(
        name
        for kind, _, name in shift.cluster.objects
        if kind == "Pod" and name.startswith("shop-")
    )
    await sender.deliver(
        firing(
            "KubeContainerWaiting", severity="critical", job="kube-state-metrics",
            namespace="kube-system", pod="kube-state-metrics-7575857457-8p2xj",
            exported_namespace="trading", exported_pod=pod, exported_container="shop",
        )
    )  # fmt: skip
    (alert,) = await sender.alerts()
    assert (alert.service, alert.subject) == ("shop", f"trading/Pod/{pod}")


async def test_a_pair_that_tells_twice_is_heard_once(sender: Sender) -> None:
    """alertmanager #4108: after a receiver's bad minutes each of the pair delivers the same."""
    for _ in range(2):
        await sender.deliver(ALERT)
    assert (len(await sender.alerts()), len(await sender.findings())) == (1, 1)


async def test_a_delivery_without_alerts_is_none(sender: Sender) -> None:
    told = await sender.deliver(alerts=None)
    assert (told["opened"], told["refused"]) == ([], [])


async def test_a_value_in_a_label_makes_many_alerts_and_one_finding(sender: Sender) -> None:
    """alertmanager #1546: `used_percentage: {{ $value }}` as a label is another alert each time."""
    for percent in (91, 92, 93):
        full = firing("DiskFull", service="shop", severity="critical", used_percentage=percent)
        await sender.deliver(full)
        await sender.minutes(1)
    assert len(await sender.alerts()) == 3
    assert len(await sender.findings()) == 1
