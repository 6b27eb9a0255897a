"""Kubernetes on a bad day: what a person reads names the cluster, the reason and the next step."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from tests.fixtures import loopback
from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.tls import self_signed
from tools.backends.kubernetes import KubernetesConfig, KubernetesReader
from tools.errors import BackendDeniedError, BackendError, BackendUnavailableError
from tools.world import WorkloadRef

SHOP = WorkloadRef("eu-1", "trading", "Deployment", "shop")


@dataclass
class Api:
    """An API server that answers what the test says."""

    status: int = 200
    body: bytes = b'{"kind": "PodList", "metadata": {}, "items": []}'
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        if self.hangs:
            await asyncio.get_running_loop().create_future()
        return web.Response(
            status=self.status, body=self.body, content_type=self.kind, headers=self.headers
        )


@asynccontextmanager
async def serving(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Api]:
    api = Api()
    async with loopback.serving(api.answer, tls, port) as api.url:
        yield api


def reader(folder: Path, url: str, **more: object) -> KubernetesReader:
    told: dict[str, object] = {"timeout_seconds": 0.2, **more}
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
    async with serving(unused_tcp_port) as api:
        api.hangs = True
        text = await complaint(reader(tmp_path, api.url))
    assert "list pods in trading: no answer within 0.2 s" in text


async def test_a_cluster_that_asks_us_to_slow_down_says_for_how_long(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with serving(unused_tcp_port) as api:
        api.status, api.headers = 429, {"Retry-After": "7"}
        api.body = b'{"kind": "Status", "message": "too many requests"}'
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
    async with serving(unused_tcp_port) as api:
        api.body, api.kind = body, kind
        text = await complaint(reader(tmp_path, api.url))
    assert said in text
    assert "check that the address in the kubeconfig is the API server" in text


async def test_an_expired_token_names_the_file_to_renew(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with serving(unused_tcp_port) as api:
        api.status, api.body = 401, b'{"kind": "Status", "message": "Unauthorized"}'
        text = await complaint(reader(tmp_path, api.url))
    assert "the identity is not accepted (Unauthorized)" in text
    assert "renew it (kubernetes.clusters.eu-1.kubeconfig: " in text


async def test_a_proxy_that_breaks_tls_open_is_told_with_the_setting_for_its_authority(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    async with serving(unused_tcp_port, self_signed(tmp_path).server()) as api:
        text = await complaint(reader(tmp_path, api.url, timeout_seconds=5.0))
    assert "certificate is not trusted" in text
    assert "certificate-authority" in text


async def test_the_next_question_after_a_bad_day_is_answered(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    asked = reader(tmp_path, f"http://127.0.0.1:{unused_tcp_port}", timeout_seconds=5.0)
    with pytest.raises(BackendUnavailableError):
        await asked.list("Pod", "trading")
    async with serving(unused_tcp_port):
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
    async with serving(unused_tcp_port) as api:
        api.status, api.body = 403, b'{"kind": "Status", "message": "User \\"u\\" cannot list"}'
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
