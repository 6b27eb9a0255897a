"""What the bot itself stands on, as its own environment and addresses tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.plans.policy import OwnGround, OwnProtection, OwnService
from bot.settings.document import ConfigDocument
from bot.settings.own_ground import own_ground
from tools.addresses import NamedService, services_of_address
from tools.backends.kubernetes.config import KubernetesConfig

NOWHERE = Path("/nowhere")
INSIDE = {"here": KubernetesConfig(name="here", in_cluster=True)}
FROM_OUTSIDE = {"far": KubernetesConfig(name="far", kubeconfig="file")}


def document(**sections: object) -> ConfigDocument:
    return ConfigDocument.model_validate(sections)


def ground(found: dict[str, str], clusters: object = INSIDE, **sections: object) -> OwnGround:
    return own_ground(document(**sections), found, clusters, namespace_file=NOWHERE)  # type: ignore[arg-type]


def test_outside_any_cluster_there_is_nothing_to_protect() -> None:
    assert ground({}, {}) == OwnGround()


def test_the_downward_api_says_which_pod_it_is() -> None:
    own = ground({"POD_NAMESPACE": "ops", "POD_NAME": "sre-agent-7d9-x"})
    assert (own.cluster, own.namespace, own.pod) == ("here", "ops", "sre-agent-7d9-x")
    assert own.protection is OwnProtection.NAMESPACE


def test_without_it_the_service_accounts_file_says_the_namespace(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("ops\n", encoding="utf-8")
    assert own_ground(document(), {}, INSIDE, namespace_file=file).namespace == "ops"
    assert own_ground(document(), {}, FROM_OUTSIDE, namespace_file=file).namespace == ""


def test_its_database_and_all_that_it_reads_are_services_by_their_addresses() -> None:
    own = ground(
        {"DATABASE_URL": "postgresql+asyncpg://bot:pw@postgres-rw.data.svc:5432/sre"},
        prometheus={
            "url": "http://prometheus.monitoring.svc:9090",
            "instances": {"far": {"url": "http://vm.far.svc.cluster.local"}},
        },
        loki={"url": "http://loki-gateway.monitoring.svc"},
        tracing={"url": "http://tempo.tracing.svc:3200"},
    )
    assert own.services == (
        OwnService("data", "postgres-rw", "the database"),
        OwnService("monitoring", "prometheus", "the metrics"),
        OwnService("far", "vm", "the metrics"),
        OwnService("monitoring", "loki-gateway", "the logs"),
        OwnService("tracing", "tempo", "the traces"),
    )


def test_a_team_says_how_much_of_it_is_protected() -> None:
    blacklist = {"blacklist": {"own": "workload"}}
    assert ground({}, auto_remediation=blacklist).protection is OwnProtection.WORKLOAD


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://a.b.svc", [NamedService("b", "a", sure=True)]),
        ("http://A.B.svc.cluster.local.:80/x", [NamedService("b", "a", sure=True)]),
        ("http://pod-0.a.b.svc.cluster.local", [NamedService("b", "a", sure=True)]),
        ("http://a.b:9090", [NamedService("b", "a", sure=False)]),
        ("http://a:9090", [NamedService("ops", "a", sure=False)]),
        ("http://prometheus.example.com", []),
        ("http://10.0.0.7:9090", []),
        ("http://svc.example", [NamedService("example", "svc", sure=False)]),
        (
            "postgresql://u:p%40x@a.b.svc:5432,c.b.svc:5433/db",
            [NamedService("b", "a", sure=True), NamedService("b", "c", sure=True)],
        ),
        ("postgresql:///db?host=a.b.svc", [NamedService("b", "a", sure=True)]),
        ("sqlite+aiosqlite:///var/sre-agent.db", []),
        ("", []),
    ],
)
def test_an_address_is_read_as_the_clusters_own_dns_reads_it(
    url: str, named: list[NamedService]
) -> None:
    assert list(services_of_address(url, "ops")) == named
