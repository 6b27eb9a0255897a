"""Any object is read as people name it; Secrets are not, however they are spelt or hidden."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.secrets.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.unit.doctor.worlds import NOW, SPACE, Lab
from tools.contract import ToolResult
from tools.errors import BackendDeniedError, BadArgumentError, NotFoundError
from tools.observe.get_objects import kubernetes_get
from tools.observe.manifest import HIDDEN, cleaned, yaml_lines
from tools.observe.object_names import ObjectName, kind_of, object_named
from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef

Json = dict[str, Any]
CATALOGUE = Catalogue(
    {},
    {
        ServiceName(name): ServiceSpec(
            ServiceName(name), SPACE, (WorkloadRef("", SPACE, "Deployment", name),)
        )
        for name in ("front", "back")
    },
)


def lab(*more: Json) -> FakeCluster:
    items = [{"kind": kind, **item} for kind, all_ in Lab().objects.items() for item in all_]
    return FakeCluster([*items, *more])


async def got(cluster: FakeCluster, kind: str, name: str = "", **more: str) -> ToolResult:
    found: ToolResult = await kubernetes_get.function(
        cluster, FakeClock(NOW), CATALOGUE, kind=kind, name=name, **more
    )
    return found


def config(name: str, **data: str) -> Json:
    return {"kind": "ConfigMap", "metadata": {"namespace": SPACE, "name": name}, "data": data}


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("po", "Pod"), ("PODS", "Pod"), ("deploy", "Deployment"), ("sts", "StatefulSet"),
        ("deployments.apps", "Deployment"), ("HPA", "HorizontalPodAutoscaler"),
        ("pvc", "PersistentVolumeClaim"),
        ("no", "Node"), (" svc ", "Service"), ("NetworkPolicies", "NetworkPolicy"),
    ],
)  # fmt: skip
def test_a_kind_is_read_as_people_type_it(said: str, kind: str) -> None:
    assert kind_of(said) == kind


def test_a_misspelt_kind_is_told_with_the_nearest() -> None:
    with pytest.raises(BadArgumentError, match="Did you mean 'deployment'"):
        kind_of("deploymnt")


@pytest.mark.parametrize(
    "said", ["secret", "Secrets", "SECRET", "secrets.v1", "v1/secrets", "core/secret", "secrets/x"]
)
def test_a_secret_is_refused_in_every_spelling(said: str) -> None:
    with pytest.raises(BadArgumentError, match="Secrets are never read"):
        kind_of(said)
    with pytest.raises(BadArgumentError):
        object_named(f"{said}/name")


@pytest.mark.parametrize("said", ["sealedsecret", "serviceaccount", "role", "token", "", "list"])
def test_a_kind_that_the_reading_role_does_not_name_is_refused(said: str) -> None:
    with pytest.raises(BadArgumentError):
        kind_of(said)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("order-api", "", ObjectName("", "", "order-api")),
        ("trading/order-api", "deploy", ObjectName("Deployment", "trading", "order-api")),
        ("node/n1", "", ObjectName("Node", "", "n1")),
        ("trading/Deployment/order-api", "", ObjectName("Deployment", "trading", "order-api")),
        ("jobs/job", "job", ObjectName("Job", "", "job")),
        ("events/x", "pod", ObjectName("Pod", "events", "x")),
    ],
)
def test_a_name_may_carry_its_kind_and_namespace(
    text: str, kind: str, expected: ObjectName
) -> None:
    assert object_named(text, kind) == expected


@pytest.mark.parametrize("text", ["a/b/c/d", "a//b", "..", "a/../b", "x?watch", "x%2f", "/x", "x/"])
def test_what_no_object_is_called_is_refused(text: str) -> None:
    with pytest.raises(BadArgumentError):
        object_named(text, "pod")


def test_a_name_of_another_kind_than_was_said_is_refused() -> None:
    with pytest.raises(BadArgumentError, match="is a Deployment, and kind says Pod"):
        object_named("trading/deploy/order-api", "pod")


# ---------------------------------------------------------------- one object


async def test_one_object_is_yaml_without_noise() -> None:
    noisy = config("settings", mode="fast", file="one\ntwo\n")
    noisy["metadata"] |= {
        "managedFields": [{"manager": "kubectl"}],
        "uid": "1-2-3",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "core"},
        "ownerReferences": [{"kind": "Deployment", "name": "front", "uid": "9"}],
    }
    result = await got(lab(noisy), "cm", "settings")
    assert (
        result.summary.splitlines()[1:]
        == [
            "# lab/ConfigMap/settings  KEYS mode, file AGE -",
            "kind: ConfigMap",
            "metadata:",
            "  namespace: lab",
            "  name: settings",
            "  annotations:",
            "    team: core",
            "  owners: [Deployment/front]",
            "data:",
            "  mode: fast",
            "  file: |",
            "    one",
            "    two",
            "",
        ][: len(result.summary.splitlines()) - 1]
    )
    assert "manager" not in str(result.payload)
    assert result.payload["objects"][0]["object"] == "lab/ConfigMap/settings"


async def test_a_name_that_begins_others_shows_them_and_a_wrong_one_the_nearest() -> None:
    begun = await got(lab(), "pods", "front")
    assert begun.summary.startswith("no Pod is called 'front'; 1 begin so")
    assert "lab/front-1-a" in begun.summary
    with pytest.raises(NotFoundError, match="Did you mean 'front'"):
        await got(lab(), "deploy", "frnt")


async def test_a_node_is_found_without_a_namespace() -> None:
    result = await got(lab(), "no", "node/boss")
    assert result.payload["objects"][0]["object"] == "/Node/boss"
    assert "SchedulingDisabled" in result.summary


async def test_a_secret_inside_of_an_object_is_shown_neither_as_text_nor_as_a_member() -> None:
    held = config(
        "held",
        plain="apiVersion: v1\nkind: Secret\ndata:\n  p: c2VjcmV0LXdvcmQ=",
        flow='{"data": {"p": "c2VjcmV0LXdvcmQ="}, "kind": "Secret"}',
        quoted=r'"{\"kind\": \"SecretList\", \"items\": \"c2VjcmV0LXdvcmQ=\"}"',
    )
    nested = {
        "kind": "Rollout",
        "metadata": {"namespace": SPACE, "name": "held"},
        "spec": {"extra": [{"kind": "Secret", "stringData": {"p": "c2VjcmV0LXdvcmQ="}}]},
    }
    for kind in ("cm", "ro"):
        result = await got(lab(held, nested), kind, "held")
        assert HIDDEN in result.summary
        assert "c2VjcmV0" not in result.summary + str(result.payload)


SETTINGS: list[Json] = [
    {"env": [{"name": "DB_PASSWORD", "value": "kq2-Hunter-77"}, {"name": "MODE", "value": "fast"}]},
    {"env": [{"name": "API_TOKEN", "value": "kq2 Hunter 77 long"}]},
    {"args": ["--port", "80", "--password", "kq2-Hunter-77"]},
    {"args": ["--password=kq2-Hunter-77"]},
    {"command": ["sh", "-c", "export DB_PASSWORD=kq2-Hunter-77 && run"]},
    {"data": {"DATABASE_URL": "postgres://app:kq2-Hunter-77@db/x", "b": "1"}},
    {"data": {"app.properties": "a=1\ndb.password=kq2-Hunter-77\nb=2"}},
    {"data": {"password": "kq2-Hunter-77"}},
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_password_is_cut_from_the_lines_as_from_the_payload(setting: Json) -> None:
    item = cleaned({"kind": "Pod", "metadata": {"name": "x"}, "spec": setting, **setting})
    lines = "\n".join(yaml_lines(item))
    assert "Hunter" in lines
    redactor = Redactor()
    assert "Hunter" not in redactor.text(lines)
    assert "Hunter" not in str(redactor.json(item))


# ---------------------------------------------------------------- tables


async def test_a_table_has_the_worst_first_and_says_what_is_left_out() -> None:
    world = Lab()
    world.ended(137, "OOMKilled")
    pods = [{"kind": "Pod", **pod} for pod in world.objects["Pod"]]
    many = [
        {**pods[0], "metadata": {**pods[0]["metadata"], "name": f"front-1-{n:03}"}}
        for n in range(40)
    ]
    result = await got(FakeCluster([*pods, *many]), "pods")
    head, columns, first, *_ = result.summary.splitlines()
    assert head == f"42 Pod in namespace {SPACE}"
    assert columns == "NAME  READY  PHASE  RESTARTS  NODE  AGE"
    assert first.startswith(f"{SPACE}/back-1-a  ")
    assert "… 12 more in the evidence" in result.summary
    assert len(result.payload["objects"]) == 42


async def test_a_service_narrows_a_table_and_what_bears_no_name_is_shown_whole() -> None:
    own = await got(lab(), "deploy", service="back")
    assert [row["name"] for row in own.payload["objects"]] == ["back"]
    nodes = await got(lab(), "nodes", service="back")
    assert nodes.payload["count"] == 2
    assert "none is told to be of back" in nodes.summary


async def test_an_autoscaler_tells_what_it_measures_and_that_it_is_at_its_most() -> None:
    scaler = {
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "namespace": SPACE,
            "name": "front",
            "creationTimestamp": (NOW - timedelta(days=3)).isoformat(),
        },
        "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": "front"},
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"averageUtilization": 70}},
                }
            ],
        },
        "status": {
            "currentReplicas": 4,
            "currentMetrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "current": {"averageUtilization": 93}},
                }
            ],
        },
    }
    result = await got(lab(scaler), "hpa")
    assert "Deployment/front  cpu 93%/70%  1  4  4  3d" in result.summary
    assert result.payload["objects"][0]["bad"] == 1


async def test_what_may_not_be_read_is_named_and_nothing_readable_is_an_error() -> None:
    class Refusing(FakeCluster):
        async def list(self, kind: str, namespace: str, selector: Any = None) -> Any:
            if namespace == SPACE:
                raise BackendDeniedError("kubernetes", "may not list pods")
            return await super().list(kind, namespace, selector)

    with pytest.raises(BackendDeniedError):
        await got(Refusing([]), "pods")
    result = await got(Refusing([]), "pods", namespace="all")
    assert result.payload["count"] == 0


async def test_events_come_warnings_first_and_the_newest_of_them_before_the_others() -> None:
    def event(name: str, kind: str, minutes: int) -> Json:
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        about = {"kind": "Pod", "namespace": SPACE, "name": "front-1-a"}
        meta_ = {"namespace": SPACE, "name": name}
        told = {"type": kind, "reason": name, "lastTimestamp": at, "involvedObject": about}
        return {"kind": "Event", "metadata": meta_, **told}

    some = (event("a", "Warning", 9), event("b", "Normal", 1), event("c", "Warning", 2))
    result = await got(lab(*some), "events")
    assert [row["name"] for row in result.payload["objects"]] == ["c", "a", "b"]
    assert {row["object"] for row in result.payload["objects"]} == {f"{SPACE}/Pod/front-1-a"}
