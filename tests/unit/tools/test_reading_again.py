"""While the bot runs, a bad file keeps the good one serving, and says where it is wrong."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.composition.parts import open_live_files
from bot.core.shared.live_files import LiveFiles
from bot.settings import load_settings
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import NOW
from tests.fixtures.profile import CONFIG, PLAYBOOKS, TRADING
from tools.act.actions import ACTIONS

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Desk:
    folder: Path
    live_files: LiveFiles
    store: SqlStore

    async def reload(self) -> str:
        done = await self.live_files.reload("U0ADMIN01", self.store, FakeClock(NOW))
        return done.message if done.ok else f"REFUSED {done.message}"

    async def audited(self) -> list[dict[str, object]]:
        async with self.store.begin() as tx:
            return [dict(row.event.facts) for row in await tx.audit.tail(10)]


@pytest.fixture
def desk(store: SqlStore, tmp_path: Path) -> Desk:
    for name in ("metrics", "services", "rca_rules"):
        shutil.copy(TRADING / f"{name}.yaml", tmp_path / f"{name}.yaml")
    paths = ", ".join(f"{n}: '{tmp_path / n}.yaml'" for n in ("metrics", "services", "rca_rules"))
    library = PLAYBOOKS
    config = tmp_path / "config.yaml"
    config.write_text(f"paths: {{{paths}, playbooks: ['{library}']}}\n", encoding="utf-8")
    live_files = open_live_files(load_settings({"SRE_AGENT_CONFIG": str(config)}), ACTIONS)
    return Desk(tmp_path, live_files, store)


@pytest.mark.parametrize(
    ("file", "right", "wrong", "complaint"),
    [
        ("metrics", "unit: seconds", "unti: seconds",
         r"metrics.yaml:\d+:5: unknown key 'unti'. Did you mean 'unit'"),
        ("metrics", "sum by", "sum bye", r"metrics.yaml:\d+:\d+: query .*PromQL does not parse"),
        ("services", "dependencies: [kafka, redis]", "dependencies: [kafak]",
         r"services.yaml:\d+:\d+: dependency 'kafak' is no service. Did you mean 'kafka'"),
        ("services", "mode: approve", "mode: aprove", r"services.yaml:\d+:\d+: mode 'aprove'"),
        ("rca_rules", "kind: deploy", "kind: deplo",
         r"rca_rules.yaml:\d+:\d+: unknown kind 'deplo'. Did you mean 'deploy'"),
    ],
)  # fmt: skip
async def test_a_bad_file_keeps_the_good_one_and_is_told_to_who_asked(
    desk: Desk, file: str, right: str, wrong: str, complaint: str
) -> None:
    before = desk.live_files.catalogue(), desk.live_files.rules()
    path = desk.folder / f"{file}.yaml"
    text = path.read_text("utf-8")
    assert right in text
    path.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    told = await desk.reload()
    assert told.startswith("REFUSED ")
    assert told.endswith("The files read before stay in force.")
    assert re.search(complaint, told), told
    assert (desk.live_files.catalogue(), desk.live_files.rules()) == before
    assert await desk.audited() == []
    path.write_text(text, encoding="utf-8")
    assert (await desk.reload()).startswith("Read again: 14 metrics, 10 services, ")


async def test_a_metric_that_was_added_serves_at_once_and_is_audited(desk: Desk) -> None:
    path = desk.folder / "metrics.yaml"
    own = "shop:\n  carts: {query: shop_carts, unit: carts, description: Open carts}\n"
    path.write_text(path.read_text("utf-8") + own, encoding="utf-8")
    assert (await desk.reload()).startswith("Read again: 15 metrics")
    assert desk.live_files.catalogue().metrics["carts"].category == "shop"  # type: ignore[index]
    (facts,) = await desk.audited()
    assert facts["metrics_changed"] == ["carts"]


async def test_a_rule_whose_metric_is_gone_is_left_out_and_who_asked_reads_it(desk: Desk) -> None:
    path = desk.folder / "rca_rules.yaml"
    text = path.read_text("utf-8").replace("api_latency_p99", "api_latency_p9")
    path.write_text(text, encoding="utf-8")
    told = await desk.reload()
    assert told.startswith("Read again: 14 metrics, 10 services, 10 rules")
    assert "'high_latency_cpu' is left out, it asks for api_latency_p9 (Did you mean" in told
    assert "high_latency_cpu" not in {rule.id for rule in desk.live_files.rules()}


def test_the_profile_holds_every_metric_of_the_platform() -> None:
    shipped = load_settings({"SRE_AGENT_CONFIG": str(CONFIG)})
    live_files = open_live_files(shipped, ACTIONS)
    found: dict[str, set[str]] = {}
    for spec in live_files.catalogue().metrics.values():
        found.setdefault(spec.category, set()).add(spec.name)
    assert found == {
        "trading": {"order_latency_p99", "order_qps", "order_error_rate"},
        "matching": {"matching_latency_p99", "orderbook_depth"},
        "risk": {"margin_utilization", "risk_limit_breaches"},
        "wallet": {"balance_sync_latency", "pending_transactions"},
        "api": {"api_latency_p99", "api_error_rate"},
        "infrastructure": {"cpu_usage", "memory_usage", "pod_restarts"},
    }
