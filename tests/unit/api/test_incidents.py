"""Incidents over HTTP: the same use cases as behind the card, and honest problems."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.access import Scope
from tests.unit.api.conftest import ALICE, DAVE, World

DECLARED = {"title": "Orders fail", "service": "order-api", "priority": "P1"}


async def post(api: World, path: str, body: dict[str, Any] | None = None, user: str = ALICE) -> Any:
    headers = api.as_(user, Scope.APPROVE)
    return await api.client.post(f"/api/v1/incidents{path}", json=body, headers=headers)


async def declared(api: World) -> str:
    answer = await post(api, "", DECLARED)
    assert answer.status_code == 201
    return str(answer.json()["id"])


async def test_an_incident_lives_over_http_as_it_does_by_its_card(api: World) -> None:
    name = await declared(api)
    taken = await post(api, f"/{name}/take")
    assert (taken.json()["state"], taken.json()["lead"]) == ("in_hand", ALICE)
    await post(api, f"/{name}/notes", {"text": "the queue is full"})
    given = await post(api, f"/{name}/hand-over", {"to": "U0BOB0002"})
    assert given.json()["lead"] == "U0BOB0002"
    serious = await post(api, f"/{name}/severity", {"priority": "P0"})
    assert serious.json()["priority"] == "P0"
    over = await post(api, f"/{name}/resolve", {"text": "rolled back"})
    assert over.json()["state"] == "resolved"
    read = await api.client.get(f"/api/v1/incidents/{name}", headers=api.as_(ALICE))
    assert "the queue is full" in [line["text"] for line in read.json()["timeline"]]
    listed = await api.client.get("/api/v1/incidents", headers=api.as_(ALICE))
    assert listed.json() == []
    everything = {"active_only": "false"}
    listed = await api.client.get("/api/v1/incidents", params=everything, headers=api.as_(ALICE))
    assert [each["id"] for each in listed.json()] == [name]


async def test_what_must_come_first_is_a_conflict_that_says_so(api: World) -> None:
    name = await declared(api)
    await post(api, f"/{name}/resolve", {})
    answer = await post(api, f"/{name}/take")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert "reopen it first" in answer.json()["detail"]
    assert (await post(api, f"/{name}/reopen")).json()["state"] == "declared"


async def test_one_becomes_a_part_of_another(api: World) -> None:
    one, other = await declared(api), await declared(api)
    assert (await post(api, f"/{one}/merge", {"into": other})).json()["id"] == other
    read = await api.client.get(f"/api/v1/incidents/{one}", headers=api.as_(ALICE))
    assert (read.json()["incident"]["state"], read.json()["incident"]["into"]) == ("merged", other)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("", DECLARED | {"service": "order-apj"}, 422),
        ("", DECLARED | {"priority": "P9"}, 422),
        ("", DECLARED | {"title": "  "}, 422),
        ("/INC-2026-0404/take", None, 404),
        ("/INC-2026-0404/hand-over", {"to": "bob"}, 422),
    ],
)
async def test_what_nobody_can_mean_is_refused(
    api: World, path: str, body: dict[str, Any] | None, status: int
) -> None:
    assert (await post(api, path, body)).status_code == status


async def test_who_may_only_read_moves_nothing_and_a_token_to_read_neither(api: World) -> None:
    name = await declared(api)
    assert (await post(api, f"/{name}/take", user=DAVE)).status_code == 403
    path = f"/api/v1/incidents/{name}/take"
    assert (await api.client.post(path, headers=api.as_(ALICE))).status_code == 403
