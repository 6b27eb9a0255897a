"""Alerts that an older version kept as anomalies go on as alerts, in the finding that told them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from bot.domain.alert import Firing, SeverityWord
from bot.domain.anomaly import Acknowledged, Open, Resolved, open_anomaly
from bot.domain.ids import AnomalyId
from bot.store.store import SqlStore
from tests.fixtures.nouns import ALICE, NOW, a_finding, a_verdict, an_anomaly
from tools.world import MetricName, labels_of

BEFORE = "0010_more_seals"


@pytest.mark.parametrize("seen", [True, False])
async def test_an_alert_that_fires_stays_in_its_finding_and_is_not_told_again(
    store: SqlStore, seen: bool
) -> None:
    labels = labels_of({"service": "order-api", "severity": "page"})
    fired = replace(a_verdict("PodDown"), labels=labels, observed=float("nan"), method="alert")
    alert = open_anomaly(AnomalyId("ANO-0000a1"), "alert", fired)
    state = Acknowledged(ALICE, NOW) if seen else Open()
    other, over = an_anomaly(), replace(alert, id=AnomalyId("ANO-0000a2"), state=Resolved(NOW))
    finding = replace(a_finding(), anomalies=(other.id, alert.id, over.id))
    async with store.begin() as tx:
        for each in (other, over, replace(alert, state=state)):
            await tx.anomalies.save(each)
        await tx.findings.save(finding)
    await store.downgrade(BEFORE)
    await store.upgrade()
    async with store.begin() as tx:
        (moved,) = await tx.alerts.active()
        assert await tx.alerts.latest(moved.fingerprint) == moved
        kept = await tx.findings.get(finding.id)
        ended = await tx.anomalies.get(alert.id)
        assert (await tx.anomalies.get(over.id)).state == Resolved(NOW)
        assert [a.id for a in await tx.anomalies.active()] == [other.id]
    assert (moved.name, moved.service, moved.labels) == ("PodDown", "order-api", labels)
    assert (moved.severity, moved.severity_word) == (fired.severity, SeverityWord("page"))
    assert (moved.started_at, moved.heard_at) == (fired.started_at, fired.at)
    assert moved.state == (Acknowledged(ALICE, NOW) if seen else Firing())
    assert (kept.anomalies, kept.alerts) == ((other.id, over.id), (moved.id,))
    assert ended.state == Resolved(fired.at)
    assert fired.metric == MetricName("PodDown")


async def test_a_schema_without_such_alerts_is_only_changed(store: SqlStore) -> None:
    await store.downgrade(BEFORE)
    async with store._engine.begin() as connection:
        rows = await connection.execute(text("SELECT count(*) FROM alerts"))
        assert rows.scalar() == 0
    await store.upgrade()
    async with store.begin() as tx:
        assert await tx.alerts.active() == []
