"""The imitated Kubernetes API, judged by the real kubectl."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox.clock import Clock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.server import KubernetesServer, start_kubernetes
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_scenario
from sandbox.world.scenario import Story
from tests.patience import PATIENCE

pytestmark = pytest.mark.needs_kubectl
SPEED = 20.0
FAULT = "bad_deploy/slow_orders"


@dataclass
class Kubectl:
    """Runs kubectl against the sandbox."""

    server: KubernetesServer
    home: Path
    faults: FaultLog

    async def run(self, *words: str, fails: bool = False, reader: bool = False) -> str:
        """Output of one command; stderr when it is expected to fail."""
        config = self.server.reader_kubeconfig if reader else self.server.actor_kubeconfig
        process = await asyncio.create_subprocess_exec(
            "kubectl", f"--kubeconfig={config}", *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={"HOME": str(self.home), "PATH": os.defpath},
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise
        assert (process.returncode != 0) is fails, (words, out.decode(), err.decode())
        return err.decode() if fails else out.decode()

    async def until_rolled_out(self, workload: str) -> None:
        """Wait as a person would."""
        await self.run("rollout", "status", workload, "--timeout=140s")


@pytest.fixture
async def kubectl(tmp_path: Path) -> AsyncIterator[Kubectl]:
    clock, faults = Clock(speed=SPEED), FaultLog()
    cluster = Cluster(faults, clock.now())
    server = await start_kubernetes(
        "127.0.0.1", 0, cluster=cluster, clock=clock, state_dir=tmp_path
    )
    yield Kubectl(server, tmp_path, faults)
    await server.close()


async def test_get_shows_the_columns_people_know(kubectl: Kubectl) -> None:
    pods = await kubectl.run("get", "pods", "-n", "trading")
    assert pods.splitlines()[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert pods.count("Running") == 18
    wide = await kubectl.run("get", "deploy", "-o", "wide")
    assert "order-api:2.13.2" in wide
    assert "node-b" in await kubectl.run("get", "nodes")
    both = await kubectl.run("get", "hpa,pdb,sts,clusters.postgresql.cnpg.io", "-A")
    assert "Cluster in healthy state" in both


async def test_a_bad_deploy_is_undone(kubectl: Kubectl) -> None:
    cluster, clock = kubectl.server.cluster, kubectl.server.clock
    cluster.begin(Story(load_scenario("bad_deploy"), clock.now()))
    await kubectl.until_rolled_out("deploy/order-api")
    kubectl.server.settle()
    assert kubectl.faults.is_open(FAULT)
    history = await kubectl.run("rollout", "history", "deploy/order-api")
    assert "release 2.14.0" in history
    assert "order-api:2.14.0" in await kubectl.run("describe", "deploy", "order-api")
    rehearsed = await kubectl.run("rollout", "undo", "deploy/order-api", "--dry-run=server")
    assert "server dry run" in rehearsed
    assert not kubectl.server.effects
    await kubectl.run("rollout", "undo", "deploy/order-api")
    await kubectl.until_rolled_out("deploy/order-api")
    kubectl.server.settle()
    assert not kubectl.faults.is_open(FAULT)
    revisions = (await kubectl.run("rollout", "history", "deploy/order-api")).split()
    assert "6" in revisions
    assert "4" not in revisions
    events = await kubectl.run("get", "events", "--sort-by=.lastTimestamp")
    assert "Scaled up replica set order-api" in events


async def test_scale_restart_and_delete(kubectl: Kubectl) -> None:
    await kubectl.run("scale", "deploy/matching-engine", "--replicas=3")
    await kubectl.until_rolled_out("deploy/matching-engine")
    assert "3/3" in await kubectl.run("get", "deploy", "matching-engine")
    await kubectl.run("rollout", "restart", "deploy/market-data")
    await kubectl.until_rolled_out("deploy/market-data")
    pod = (await kubectl.run("get", "pods", "-l", "app=risk-engine", "-o", "name")).split()[0]
    await kubectl.run("delete", pod)
    assert pod not in await kubectl.run("get", "pods", "-l", "app=risk-engine", "-o", "name")


async def test_cordon_and_drain_respect_budgets(kubectl: Kubectl) -> None:
    pods = json.loads(await kubectl.run("get", "pods", "-l", "app=ledger", "-o", "json"))
    node = pods["items"][0]["spec"]["nodeName"]
    told = await kubectl.run("drain", node, "--timeout=3s", fails=True)
    assert "violate the pod's disruption budget" in told
    assert "SchedulingDisabled" in await kubectl.run("get", "node", node)
    await kubectl.run("uncordon", node)
    assert "SchedulingDisabled" not in await kubectl.run("get", "node", node)


async def test_replace_patch_and_wait(kubectl: Kubectl, tmp_path: Path) -> None:
    item = json.loads(await kubectl.run("get", "deploy", "ledger", "-o", "json"))
    item["spec"]["replicas"] = 3
    path = tmp_path / "ledger.json"
    path.write_text(json.dumps(item), encoding="utf-8")
    await kubectl.run("replace", "-f", str(path))
    await kubectl.run("wait", "--for=condition=available", "deploy/ledger", "--timeout=140s")
    assert "modified" in await kubectl.run("replace", "-f", str(path), fails=True)
    patch = '[{"op":"test","path":"/spec/replicas","value":99}]'
    told = await kubectl.run("patch", "deploy", "ledger", "--type=json", "-p", patch, fails=True)
    assert "test failed" in told


async def test_the_reader_is_refused_with_verb_and_resource(kubectl: Kubectl) -> None:
    told = await kubectl.run("scale", "deploy/order-api", "--replicas=9", fails=True, reader=True)
    assert 'cannot patch resource "deployments/scale"' in told
    assert "Running" in await kubectl.run("get", "pods", reader=True)
    assert not kubectl.server.effects
