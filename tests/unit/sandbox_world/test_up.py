"""The whole sandbox starts, says what is wrong in one line, and continues after a restart."""

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from sandbox.__main__ import main
from sandbox.main import PortInUseError, Ports, up
from sandbox.state import StateError, open_state
from tests.patience import PATIENCE

FREE = Ports(0, 0, 0, 0, 0, 0)


async def _asked(url: str, query: str) -> dict[str, float]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{url}/api/v1/query", params={"query": query}) as reply,
    ):
        rows = (await reply.json())["data"]["result"]
    return {row["metric"].get("service", ""): float(row["value"][1]) for row in rows}


async def test_everything_answers_and_the_environment_leads_to_it(tmp_path: Path) -> None:
    sandbox = await up("noisy_night", 1.0, FREE, tmp_path)
    try:
        assert (await _asked(sandbox.env["PROMETHEUS_URL"], "sum(up)"))[""] == 26
        assert sandbox.env["SLACK_API_URL"].endswith("/api/")
        async with aiohttp.ClientSession() as session:
            values = f"{sandbox.env['TRACING_URL']}/api/v2/search/tag/resource.service.name/values"
            async with session.get(values) as answer:
                known = {row["value"] for row in (await answer.json())["tagValues"]}
        assert {"gateway", "order-api"} <= known
        assert Path(sandbox.env["KUBECONFIG"]).exists()
        assert sandbox.env["KUBECONFIG"] != sandbox.env["KUBECONFIG_ACT"]
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                f"{sandbox.env['PROMETHEUS_URL']}/-/sandbox/scenario", json={"scenario": "nope"}
            ) as reply,
        ):
            assert reply.status == 400
            assert "no scenario 'nope'; there are bad_deploy" in (await reply.json())["error"]
    finally:
        await sandbox.close()


async def test_the_bad_deploy_rolls_out_and_orders_become_slow(tmp_path: Path) -> None:
    sandbox = await up("bad_deploy", 60.0, FREE, tmp_path, after_seconds=1.0)
    try:
        key = "bad_deploy/slow_orders"

        async def felt() -> None:
            while not sandbox.cluster.faults.is_open(key):
                await _asked(sandbox.env["PROMETHEUS_URL"], "vector(time())")

        await asyncio.wait_for(felt(), PATIENCE)
        opened = sandbox.cluster.faults.intervals(key)[0].opened_at
        query = (
            "histogram_quantile(0.99, sum by (service, le) "
            f"(rate(trading_order_latency_seconds_bucket[1m] @ {opened + 180:.0f})))"
        )

        async def shown() -> None:
            while sandbox.clock.now() < opened + 200:
                await _asked(sandbox.env["PROMETHEUS_URL"], "vector(time())")

        await asyncio.wait_for(shown(), PATIENCE)
        assert (await _asked(sandbox.env["PROMETHEUS_URL"], query))["order-api"] > 0.6
    finally:
        await sandbox.close()


async def test_a_restart_continues_the_story(tmp_path: Path) -> None:
    first = await up("memory_leak", 1.0, FREE, tmp_path)
    begun = first.world.stories[-1]
    await first.close()
    second = await up(None, 1.0, FREE, tmp_path)
    try:
        assert second.world.stories[-1].begins_at == begun.begins_at
        assert second.world.origin == first.world.origin
        assert len(second.world.stories) == 1
    finally:
        await second.close()


async def test_a_taken_port_is_named_with_the_flag_that_changes_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} \(loki\).*--loki-port"):
            await up(None, 1.0, Ports(0, 0, 0, port, 0, 0), tmp_path)


def test_a_world_begun_at_another_speed_is_refused(tmp_path: Path) -> None:
    open_state(tmp_path, 10.0)
    with pytest.raises(StateError, match="begun at --speed 10, not 1"):
        open_state(tmp_path, 1.0)


def test_a_damaged_state_says_how_to_start_anew(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text("{", encoding="utf-8")
    with pytest.raises(StateError, match="--fresh"):
        open_state(tmp_path, 1.0)


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        (["up", "--scenario", "bad"], 1, "no scenario 'bad'; there are bad_deploy"),
        (["up", "--speed", "0"], 2, "clock speed must be positive, got 0.0"),
    ],
)
def test_a_wrong_argument_gives_one_clear_line(
    given: list[str],
    status: int,
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*given, "--state", str(tmp_path)]) == status
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
