"""Deliveries in the forms that bridges, proxies and Alertmanager's kin really send.

Each case names whom it went wrong for in public (read in November 2026), in our words.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.fixtures.alert_sender import FIRED, Sender, firing
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
    # Alertmanager takes an alert without times; some senders write the zero of their language.
    "no beginning": {"startsAt": None},
    "the zero time of Go": {"startsAt": "0001-01-01T00:00:00Z"},
    "the zero time of Unix": {"startsAt": "1970-01-01T00:00:00Z"},
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
