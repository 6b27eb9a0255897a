"""Bodies that want to cost: a million bytes of mistakes, of depth, of one label."""

from __future__ import annotations

import json

import pytest

from bot.api.limits import MOST_BYTES
from bot.api.problems import MOST_TOLD
from bot.api.routes.baselines import MOST_BASELINES
from bot.core.detection.alert_labels import LONGEST_LABEL
from bot.core.detection.alerts import LONGEST_WORDS
from bot.domain.access import Scope
from tests.unit.api.conftest import ALICE, World

ALERTS, IMPORT, DEPLOYED = "/api/v1/alerts", "/api/v1/baselines/import", "/api/v1/deployments"
MANY = 3_000  # mistakes; a whole body holds a hundred times as many, and takes as much longer
LABELS = ",".join(f'"l{n}":1' for n in range(MANY))
ALERT = '{"alerts":[{"status":"firing","startsAt":"2026-11-26T12:00:00Z","labels":{%s}}]}'
BODIES: dict[str, tuple[str, str | bytes]] = {
    "empty baselines": (IMPORT, f"[{','.join(['{}'] * MANY)}]"),
    "numbers for baselines": (IMPORT, f"[{','.join('1' * MANY)}]"),
    "too many baselines": (IMPORT, f"[{','.join('1' * (MOST_BASELINES + 1))}]"),
    "numbers for labels": (ALERTS, ALERT % LABELS),
    "unknown keys": (DEPLOYED, ALERT % LABELS),
    "depth": (ALERTS, '{"alerts":' + "[" * 20_000 + "]" * 20_000 + "}"),
    "some depth": (DEPLOYED, '{"service":' + "[" * 900 + "]" * 900 + "}"),
    "digits": (DEPLOYED, '{"service":' + "9" * 20_000 + "}"),
    "no number": (DEPLOYED, '{"service":NaN,"version":1e999999}'),
    "half a character": (DEPLOYED, '{"service":"\\ud800","version":"1"}'),
    "bytes that are no text": (DEPLOYED, b'{"service":"\xff"}'),
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_full_of_mistakes_is_answered_in_few_words(name: str, api: World) -> None:
    path, body = BODIES[name]
    headers = dict(api.as_(ALICE, Scope.ADMIN if path == IMPORT else Scope.INGEST))
    assert len(body) < MOST_BYTES
    said = await api.client.post(
        path, content=body, headers=headers | {"Content-Type": "application/json"}
    )
    assert said.status_code in {400, 422}
    assert len(said.json()["errors"]) <= MOST_TOLD
    assert len(said.content) < 10_000


async def test_an_alert_with_texts_beyond_measure_is_taken_and_they_are_cut(api: World) -> None:
    alert = {
        "status": "firing",
        "startsAt": "2026-11-26T12:00:00Z",
        "labels": {"alertname": "a" * 20_000, "service": "order-api", "half": "\ud800"},
        "annotations": {"summary": "b" * 20_000},
    }
    headers = api.as_(ALICE, Scope.INGEST)
    said = await api.client.post(
        ALERTS,
        content=json.dumps({"alerts": [alert]}),
        headers=headers | {"Content-Type": "application/json"},
    )
    assert said.status_code == 200
    async with api.store.begin() as tx:
        (kept,) = await tx.alerts.active()
    assert len(kept.name) == LONGEST_LABEL
    assert ("half", "?") in kept.labels
    assert len(kept.summary) == LONGEST_WORDS


async def test_a_secret_in_an_alert_is_kept_nowhere(api: World) -> None:
    alert = {
        "status": "firing",
        "startsAt": "2026-11-26T12:00:00Z",
        "labels": {
            "alertname": "login with password=Hunter22x failed",
            "service": "order-api",
            "password": "Hunter22x",
            "token=Hunter22x": "as a name",
        },
        "annotations": {"summary": "secret: Hunter22x"},
    }
    said = await api.client.post(
        ALERTS, json={"alerts": [alert]}, headers=api.as_(ALICE, Scope.INGEST)
    )
    assert said.status_code == 200
    async with api.store.begin() as tx:
        kept = (await tx.alerts.active(), await tx.audit.tail(10))
    assert len(kept[0]) == 1
    assert "Hunter22x" not in repr(kept)
