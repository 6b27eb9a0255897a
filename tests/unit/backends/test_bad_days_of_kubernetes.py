"""Kubernetes on a bad day: what a person reads names the cluster, the reason and the next step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import Answer, Server, after, says
from tests.fixtures.tls import self_signed
from tests.patience import PATIENCE
from tools.backends.kubernetes import KubernetesConfig, KubernetesReader
from tools.errors import BackendDeniedError, BackendError, BackendUnavailableError
from tools.world import WorkloadRef

SHOP = WorkloadRef("eu-1", "trading", "Deployment", "shop")


def speaks(body: bytes, status: int = 200, kind: str = "application/json", **more: str) -> Answer:
    """Return an answer as an API server gives one."""
    return says(body, status, {"Content-Type": kind, **more})


PODS = speaks(b'{"kind": "PodList", "metadata": {}, "items": []}')


def reader(folder: Path, url: str, **more: object) -> KubernetesReader:
    told: dict[str, object] = {"timeout_seconds": PATIENCE, **more}
    return KubernetesReader(
        KubernetesConfig(
            kubeconfig=write_kubeconfig(folder / "reading.yaml", url),
            name="eu-1",
            setting="kubernetes.clusters.eu-1.kubeconfig",
            **told,  # type: ignore[arg-type]
        )
    )


async def complaint(asked: KubernetesReader) -> str:
    with pytest.raises(BackendError) as caught:
        await asked.list("Pod", "trading")
    await asked.close()
    return str(caught.value)


async def test_a_cluster_that_is_down_names_itself_and_its_kubeconfig(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    text = await complaint(reader(tmp_path, f"http://127.0.0.1:{unused_tcp_port}"))
    assert text.startswith("kubernetes eu-1: cannot be reached")
    assert "kubernetes.clusters.eu-1.kubeconfig" in text


async def test_a_cluster_that_hangs_is_told_with_the_limit_it_passed(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with Server(after(asyncio.Event(), PODS)).serving(port=unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url, timeout_seconds=0.2))
    assert "list pods in trading: no answer within 0.2 s" in text


async def test_a_cluster_that_asks_us_to_slow_down_says_for_how_long(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    body = b'{"kind": "Status", "message": "too many requests"}'
    slow_down = speaks(body, 429, **{"Retry-After": "7"})
    async with Server(slow_down).serving(port=unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url))
    assert "too many requests; ask again in 7 s" in text


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<html>Sign in</html>", "text/html", "no Kubernetes object ('<html>Sign in</html>')"),
        (b'{"kind": "PodList", "items": [{"m', "application/json", '\'{"kind": "PodList"'),
    ],
)
async def test_what_is_no_answer_is_never_an_empty_list(
    tmp_path: Path, unused_tcp_port: int, body: bytes, kind: str, said: str
) -> None:
    async with Server(speaks(body, kind=kind)).serving(port=unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url))
    assert said in text
    assert "check that the address in the kubeconfig is the API server" in text


async def test_an_expired_token_names_the_file_to_renew(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    answer = speaks(b'{"kind": "Status", "message": "Unauthorized"}', 401)
    async with Server(answer).serving(port=unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url))
    assert "the identity is not accepted (Unauthorized)" in text
    assert "renew it (kubernetes.clusters.eu-1.kubeconfig: " in text


async def test_a_proxy_that_breaks_tls_open_is_told_with_the_setting_for_its_authority(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    proxy = self_signed(tmp_path).server()
    async with Server(PODS).serving(proxy, unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url))
    assert "certificate is not trusted" in text
    assert "certificate-authority" in text


async def test_the_next_question_after_a_bad_day_is_answered(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    asked = reader(tmp_path, f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(BackendUnavailableError):
        await asked.list("Pod", "trading")
    async with Server(PODS).serving(port=unused_tcp_port):
        assert await asked.list("Pod", "trading") == []
    await asked.close()


async def test_a_namespace_outside_the_allow_list_is_not_asked_for(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    asked = reader(tmp_path, f"http://127.0.0.1:{unused_tcp_port}", namespaces=("trading",))
    with pytest.raises(BackendDeniedError, match=r"namespace 'wallet' .*\(trading\)"):
        await asked.get(WorkloadRef("eu-1", "wallet", "Pod", "hot"))
    await asked.close()


async def test_a_forbidden_namespace_prints_verb_resource_and_the_rule_to_add(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    answer = speaks(b'{"kind": "Status", "message": "User \\"u\\" cannot list"}', 403)
    async with Server(answer).serving(port=unused_tcp_port) as api:
        text = await complaint(reader(tmp_path, api.url))
        looking = reader(tmp_path, api.url, namespaces=("trading",))
        missing = await looking.missing_rules()
        await looking.close()
    rule = '{apiGroups: [""], resources: ["pods"], verbs: ["list"]}'
    assert "list pods in trading is denied" in text
    assert f"{rule} in namespace 'trading'" in text
    assert yaml.safe_load(rule)["verbs"] == ["list"]
    assert f"{rule} in namespace 'trading'" in missing
    assert '{apiGroups: [""], resources: ["nodes"], verbs: ["list"]} (cluster-wide)' in missing
