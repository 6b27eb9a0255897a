"""Earlier versions of config maps, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.shared.stored_ports import StoredConfigHistory
from bot.domain.secrets.redaction import Redactor
from bot.store.remediation.config_versions import KEPT
from bot.store.store import SqlStore
from tools.world import WorkloadRef

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SHOP = WorkloadRef("eu-1", "trading", "ConfigMap", "shop")


def item(uid: str = "u1", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": "shop", "uid": uid}, "data": data}


def history(store: SqlStore) -> StoredConfigHistory:
    return StoredConfigHistory(store, Redactor())


async def test_versions_of_a_map_come_newest_first_and_only_its_own(store: SqlStore) -> None:
    kept = history(store)
    assert await kept.save(SHOP, item(limit="5"), NOW)
    assert await kept.save(SHOP, item(limit="50"), NOW + timedelta(minutes=1))
    namesake = WorkloadRef("us-1", "trading", "ConfigMap", "shop")
    assert await kept.save(namesake, item("u2", limit="7"), NOW)
    found = await kept.versions_of(SHOP)
    assert [(each.data, each.at) for each in found] == [
        ({"limit": "50"}, NOW + timedelta(minutes=1)),
        ({"limit": "5"}, NOW),
    ]
    assert found[0].ref == WorkloadRef("eu-1", "trading", "ConfigMap", "shop", "u1")


async def test_the_same_data_again_is_no_new_version_but_going_back_is(store: SqlStore) -> None:
    kept = history(store)
    assert await kept.save(SHOP, item(limit="5"), NOW)
    assert not await kept.save(SHOP, item(limit="5"), NOW + timedelta(hours=1))
    assert await kept.save(SHOP, item(limit="6"), NOW + timedelta(hours=2))
    assert await kept.save(SHOP, item(limit="5"), NOW + timedelta(hours=3))
    assert len(await kept.versions_of(SHOP)) == 3


async def test_a_secret_is_never_stored_only_that_it_was_there(store: SqlStore) -> None:
    kept = history(store)
    await kept.save(SHOP, item(DB_PASSWORD="hunter2-hunter2", limit="5"), NOW)
    (version,) = await kept.versions_of(SHOP)
    assert (version.data, version.withheld) == (None, "it holds secrets")
    url = item(dsn="postgres://app:s3cr3t-words@db/orders")
    await kept.save(SHOP, url, NOW + timedelta(hours=1))
    assert (await kept.versions_of(SHOP))[0].data is None


async def test_binary_data_is_withheld_because_nobody_can_look_for_secrets_in_it(
    store: SqlStore,
) -> None:
    kept = history(store)
    await kept.save(SHOP, {**item(limit="5"), "binaryData": {"key": "AAAA"}}, NOW)
    assert (await kept.versions_of(SHOP))[0].withheld == "it holds binary data"


async def test_only_the_newest_versions_are_kept(store: SqlStore) -> None:
    kept = history(store)
    for number in range(KEPT + 3):
        await kept.save(SHOP, item(limit=str(number)), NOW + timedelta(minutes=number))
    found = await kept.versions_of(SHOP, limit=100)
    assert len(found) == KEPT
    assert found[-1].data == {"limit": "3"}
