"""The imitated API server over HTTP: what it answers and what it refuses."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.kubernetes.access import READER_TOKEN
from tests.unit.sandbox_kubernetes.conftest import Api, Json

DEPLOYMENT = "/apis/apps/v1/namespaces/trading/deployments/order-api"
SCALE = f"{DEPLOYMENT}/scale"
PODS = "/api/v1/namespaces/trading/pods"
HPA = "/apis/autoscaling/v2/namespaces/trading/horizontalpodautoscalers/order-api"
PG = "/apis/postgresql.cnpg.io/v1/namespaces/data/clusters/postgres"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
RESTART = {"spec": {"template": {"metadata": {"annotations": {"restartedAt": "now"}}}}}


async def first_pod(api: Api, app: str) -> Json:
    found = await api.get(f"{PODS}?labelSelector=app%3D{app}")
    pod: Json = found["items"][0]
    return pod


async def effects(api: Api) -> Json:
    found: Json = await api.get("/-/sandbox/effects")
    return found


async def test_who_is_unknown_gets_401(api: Api) -> None:
    status, answer = await api.call("GET", PODS, token="wrong")
    assert (status, answer["kind"], answer["reason"]) == (401, "Status", "Unauthorized")


@pytest.mark.parametrize(
    ("method", "path", "kind", "verb", "resource"),
    [
        ("PATCH", DEPLOYMENT, MERGE, "patch", "deployments"),
        ("PATCH", SCALE, MERGE, "patch", "deployments/scale"),
        ("DELETE", f"{PODS}/x", MERGE, "delete", "pods"),
        ("POST", f"{PODS}/x/eviction", "application/json", "create", "pods/eviction"),
        ("PATCH", "/api/v1/nodes/node-a", MERGE, "patch", "nodes"),
        ("PATCH", f"{PG}/status", MERGE, "patch", "clusters/status"),
    ],
)
async def test_the_reader_may_change_nothing(
    api: Api, method: str, path: str, kind: str, verb: str, resource: str
) -> None:
    status, answer = await api.call(method, path, {}, kind=kind, token=READER_TOKEN)
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert f'cannot {verb} resource "{resource}"' in answer["message"]
    assert (await effects(api))["total"] == 0


async def test_nobody_reads_secrets_or_deletes_deployments(api: Api) -> None:
    assert (await api.call("GET", "/api/v1/secrets"))[0] == 403
    assert (await api.call("DELETE", DEPLOYMENT))[0] == 403


async def test_access_reviews_tell_the_truth(api: Api) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    asked = {"namespace": "trading", "verb": "delete", "resource": "pods", "group": ""}
    review = {"kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
    assert (await api.call("POST", path, review))[1]["status"]["allowed"] is True
    refused = (await api.call("POST", path, review, token=READER_TOKEN))[1]
    assert refused["status"]["allowed"] is False


async def test_discovery_names_what_is_served(api: Api) -> None:
    groups = {g["name"] for g in (await api.get("/apis"))["groups"]}
    assert {"apps", "autoscaling", "batch", "policy", "postgresql.cnpg.io"} <= groups
    listed = await api.get("/apis/apps/v1")
    assert "deployments/scale" in {r["name"] for r in listed["resources"]}
    assert (await api.call("GET", "/apis/apps/v1/nosuch"))[0] == 404
    assert (await api.call("GET", "/apis/nosuch/v1"))[0] == 404


async def test_lists_come_in_pages(api: Api) -> None:
    names: list[str] = []
    path = f"{PODS}?limit=7"
    token = ""
    while True:
        page = await api.get(path + token)
        names += [item["metadata"]["name"] for item in page["items"]]
        if "continue" not in page["metadata"]:
            break
        token = f"&continue={page['metadata']['continue']}"
    assert len(names) == len(set(names)) == 18
    assert (await api.call("GET", f"{path}&continue=nonsense"))[0] == 400


async def test_a_page_token_from_before_the_compaction_is_gone(api: Api) -> None:
    page = await api.get(f"{PODS}?limit=2")
    await api.call("PATCH", DEPLOYMENT, RESTART, kind=MERGE)
    api.server.cluster.store.compact()
    status, answer = await api.call(
        "GET", f"{PODS}?limit=2&continue={page['metadata']['continue']}"
    )
    assert (status, answer["reason"]) == (410, "Expired")


async def test_a_dry_run_shows_the_result_and_changes_nothing(api: Api) -> None:
    before = await api.get(DEPLOYMENT)
    status, shown = await api.call("PATCH", f"{DEPLOYMENT}?dryRun=All", RESTART, kind=STRATEGIC)
    assert status == 200
    assert shown["metadata"]["generation"] == before["metadata"]["generation"] + 1
    pod = await first_pod(api, "order-api")
    name = pod["metadata"]["name"]
    for method, path, body in (
        ("PATCH", f"{SCALE}?dryRun=All", {"spec": {"replicas": 9}}),
        ("DELETE", f"{PODS}/{name}?dryRun=All", None),
        ("DELETE", f"{PODS}/{name}", {"dryRun": ["All"]}),
        ("POST", f"{PODS}/{name}/eviction?dryRun=All", {"kind": "Eviction"}),
    ):
        assert (await api.call(method, path, body, kind=MERGE))[0] in {200, 201}
    assert await api.get(DEPLOYMENT) == before
    assert await api.get(f"{PODS}/{name}") == pod
    assert (await effects(api))["total"] == 0
    assert (await api.call("PATCH", f"{DEPLOYMENT}?dryRun=yes", RESTART, kind=MERGE))[0] == 400


async def test_a_failed_test_in_a_json_patch_is_422(api: Api) -> None:
    patch = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "replace", "path": "/spec/replicas", "value": 9},
    ]
    status, answer = await api.call("PATCH", DEPLOYMENT, patch, kind=JSON_PATCH)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert "test failed" in answer["details"]["causes"][0]["message"]


async def test_a_stale_resource_version_is_a_conflict(api: Api) -> None:
    old = await api.get(DEPLOYMENT)
    assert (await api.call("PATCH", DEPLOYMENT, RESTART, kind=MERGE))[0] == 200
    status, answer = await api.call("PUT", DEPLOYMENT, old)
    assert (status, answer["reason"]) == (409, "Conflict")
    version = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}}
    assert (await api.call("PATCH", DEPLOYMENT, version, kind=MERGE))[0] == 409
    assert (await api.call("PATCH", DEPLOYMENT, {"metadata": {"uid": "x"}}, kind=MERGE))[0] == 409


async def test_status_moves_the_version_but_not_the_generation(api: Api) -> None:
    before = (await api.get(DEPLOYMENT))["metadata"]
    pod = (await first_pod(api, "order-api"))["metadata"]["name"]
    assert (await api.call("DELETE", f"{PODS}/{pod}"))[0] == 200
    after = (await api.get(DEPLOYMENT))["metadata"]
    assert after["generation"] == before["generation"]
    assert after["resourceVersion"] != before["resourceVersion"]


@pytest.mark.parametrize(
    ("path", "patch", "names"),
    [
        (DEPLOYMENT, {"spec": {"replicas": -1}}, "spec.replicas"),
        (DEPLOYMENT, {"spec": {"replicas": "many"}}, "spec.replicas"),
        (DEPLOYMENT, {"spec": {"selector": {"matchLabels": {"app": "x"}}}}, "spec.selector"),
        (DEPLOYMENT, {"spec": {"template": {"spec": {"containers": []}}}}, "containers"),
        (DEPLOYMENT, {"spec": None}, "spec"),
        (SCALE, {"spec": {"replicas": -2}}, "spec.replicas"),
        (HPA, {"spec": {"maxReplicas": 1}}, "spec.maxReplicas"),
        (HPA, {"spec": {"minReplicas": 0}}, "spec.minReplicas"),
        ("/api/v1/namespaces/trading/configmaps/order-api-config-v42", {"data": {"A": "b"}},
         "immutable"),
    ],
)  # fmt: skip
async def test_what_is_not_valid_is_422_with_the_field(
    api: Api, path: str, patch: Any, names: str
) -> None:
    status, answer = await api.call("PATCH", path, patch, kind=MERGE)
    assert (status, answer["reason"]) == (422, "Invalid")
    assert names in answer["message"]


async def test_an_unknown_patch_type_is_415(api: Api) -> None:
    assert (await api.call("PATCH", DEPLOYMENT, {}, kind="text/plain"))[0] == 415
    assert (await api.call("PATCH", PG, {}, kind=STRATEGIC))[0] == 415


async def test_deleting_a_pod_checks_its_preconditions_and_brings_a_new_one(api: Api) -> None:
    pod = (await first_pod(api, "ledger"))["metadata"]
    path = f"{PODS}/{pod['name']}"
    wrong = {"preconditions": {"uid": "another"}}
    assert (await api.call("DELETE", path, wrong))[0] == 409
    right = {"preconditions": {"uid": pod["uid"]}, "gracePeriodSeconds": 5}
    status, gone = await api.call("DELETE", path, right)
    assert (status, gone["metadata"]["deletionGracePeriodSeconds"]) == (200, 5)
    api.pass_time(30)
    assert (await api.call("GET", path))[0] == 404
    assert len((await api.get(f"{PODS}?labelSelector=app%3Dledger"))["items"]) == 2
    assert (await effects(api))["counts"] == {f"delete pods trading/{pod['name']}": 1}


async def test_an_eviction_that_breaks_the_budget_is_429(api: Api) -> None:
    ledger = (await first_pod(api, "ledger"))["metadata"]["name"]
    status, answer = await api.call("POST", f"{PODS}/{ledger}/eviction", {"kind": "Eviction"})
    assert (status, answer["reason"]) == (429, "TooManyRequests")
    assert answer["details"]["causes"][0]["reason"] == "DisruptionBudget"
    pods = (await api.get(f"{PODS}?labelSelector=app%3Dorder-api"))["items"]
    answers = [
        (await api.call("POST", f"{PODS}/{pod['metadata']['name']}/eviction", {}))[0]
        for pod in pods[:2]
    ]
    assert answers == [201, 429]


async def test_an_autoscaler_takes_back_a_direct_scale(api: Api) -> None:
    assert (await api.call("PATCH", SCALE, {"spec": {"replicas": 2}}, kind=MERGE))[0] == 200
    api.pass_time(60)
    assert (await api.get(SCALE))["spec"]["replicas"] == 4
    assert (await api.call("PATCH", SCALE, {"spec": {"replicas": 8}}, kind=MERGE))[0] == 200
    api.pass_time(200)
    assert (await api.get(SCALE))["spec"]["replicas"] == 8
    api.pass_time(150)
    assert (await api.get(SCALE))["spec"]["replicas"] == 4


async def test_a_higher_minimum_scales_up_and_serves(api: Api) -> None:
    assert (await api.call("PATCH", HPA, {"spec": {"minReplicas": 6}}, kind=MERGE))[0] == 200
    api.pass_time(60)
    assert (await api.get(DEPLOYMENT))["status"]["readyReplicas"] == 6
    assert api.server.cluster.replicas_history("order-api")[-1][1] == 6
    old = await api.get(HPA.replace("v2", "v1"))
    assert old["spec"]["targetCPUUtilizationPercentage"] == 75
    assert "metrics" not in old["spec"]


async def test_a_switchover_moves_the_primary(api: Api) -> None:
    patch = {"status": {"targetPrimary": "postgres-1", "phase": "Switchover in progress"}}
    assert (await api.call("PATCH", f"{PG}/status", patch, kind=MERGE))[0] == 200
    api.pass_time(20)
    status = (await api.get(PG))["status"]
    assert status["currentPrimary"] == "postgres-1"
    assert status["phase"] == "Cluster in healthy state"
    pod = await api.get("/api/v1/namespaces/data/pods/postgres-1")
    assert pod["metadata"]["labels"]["cnpg.io/instanceRole"] == "primary"


async def test_the_main_path_does_not_write_status(api: Api) -> None:
    patch = {"status": {"replicas": 77}}
    assert (await api.call("PATCH", DEPLOYMENT, patch, kind=MERGE))[0] == 200
    assert (await api.get(DEPLOYMENT))["status"]["replicas"] == 4


async def test_a_cordoned_node_takes_no_pods(api: Api) -> None:
    for node in ("node-a", "node-b", "node-c"):
        patch = {"spec": {"unschedulable": True}}
        assert (await api.call("PATCH", f"/api/v1/nodes/{node}", patch, kind=STRATEGIC))[0] == 200
    pod = (await first_pod(api, "market-data"))["metadata"]["name"]
    await api.call("DELETE", f"{PODS}/{pod}")
    api.pass_time(30)
    pending = (await api.get(f"{PODS}?fieldSelector=status.phase%3DPending"))["items"]
    assert len(pending) == 1
    events = await api.get(
        "/api/v1/namespaces/trading/events?fieldSelector=reason%3DFailedScheduling,"
        f"involvedObject.name%3D{pending[0]['metadata']['name']}"
    )
    assert "unschedulable" in events["items"][0]["message"]
    await api.call("PATCH", "/api/v1/nodes/node-b", {"spec": {"unschedulable": None}}, kind=MERGE)
    api.pass_time(30)
    assert (await api.get(f"{PODS}?fieldSelector=status.phase%3DPending"))["items"] == []


@pytest.mark.parametrize(("command", "ends"), [("true", "Complete"), ("false", "Failed")])
async def test_a_job_runs_to_its_end(api: Api, command: str, ends: str) -> None:
    container = {"name": "work", "image": "order-api:2.13.2", "command": [command]}
    template = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    spec = {"backoffLimit": 0, "template": template}
    path = "/apis/batch/v1/namespaces/trading/jobs"
    body = {"kind": "Job", "metadata": {"name": "fix"}, "spec": spec}
    assert (await api.call("POST", path, body))[0] == 201
    assert (await api.call("POST", path, body))[0] == 409
    api.pass_time(30)
    status = (await api.get(f"{path}/fix"))["status"]
    assert [c["type"] for c in status["conditions"]] == [ends]
    assert (await api.call("DELETE", f"{path}/fix"))[0] == 200
    api.pass_time(10)
    assert (await api.get(f"{PODS}?labelSelector=job-name%3Dfix"))["items"] == []


async def test_logs_of_this_and_the_previous_life(api: Api) -> None:
    pod = (await first_pod(api, "gateway"))["metadata"]["name"]

    def provider(ns: str, name: str, box: str, since: float, until: float) -> list[Any]:
        return [(until - 3, f"{ns} {name} {box}"), (until - 2, "two"), (until - 1, "three")]

    api.server.cluster.log_provider = provider
    status, text = await api.call("GET", f"{PODS}/{pod}/log?tailLines=2")
    assert (status, text) == (200, "two\nthree\n")
    status, answer = await api.call("GET", f"{PODS}/{pod}/log?previous=true")
    assert status == 400
    assert "previous terminated container" in answer["message"]
    status, answer = await api.call("GET", f"{PODS}/{pod}/log?container=nosuch")
    assert status == 400
    assert "nosuch" in answer["message"]


async def test_a_watch_tells_what_changes_from_a_version_on(api: Api) -> None:
    version = (await api.get(PODS))["metadata"]["resourceVersion"]
    pod = (await first_pod(api, "ledger"))["metadata"]["name"]
    path = f"{PODS}?watch=true&labelSelector=app%3Dledger&resourceVersion={version}"
    watching = asyncio.create_task(api.lines(path, 4))
    await api.call("DELETE", f"{PODS}/{pod}")
    api.pass_time(30)
    seen = [(event["type"], event["object"]["metadata"]["name"]) for event in await watching]
    assert seen[0] == ("MODIFIED", pod)
    assert ("ADDED", pod) not in seen
    assert any(kind == "ADDED" for kind, _name in seen)
    assert await api.lines(path, 2) != []


async def test_a_watch_from_a_forgotten_version_is_410(api: Api) -> None:
    events = await api.lines(f"{PODS}?watch=true&resourceVersion=5", 1)
    assert (events[0]["type"], events[0]["object"]["code"]) == ("ERROR", 410)


async def test_a_watch_that_ends_leaves_a_bookmark(api: Api) -> None:
    version = (await api.get(PODS))["metadata"]["resourceVersion"]
    events = await api.lines(
        f"{PODS}?watch=1&resourceVersion={version}&timeoutSeconds=0&allowWatchBookmarks=true", 1
    )
    assert events[0]["type"] == "BOOKMARK"


async def test_kubectl_gets_its_table(api: Api) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
    _status, found = await api.call("GET", DEPLOYMENT, accept=accept)
    assert found["kind"] == "Table"
    assert found["rows"][0]["cells"][:4] == ["order-api", "4/4", 4, 4]


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", DEPLOYMENT, 405),
        ("DELETE", PODS, 405),
        ("GET", f"{PODS}?labelSelector=a%20b", 400),
        ("GET", f"{PODS}?fieldSelector=spec.colour%3Dred", 400),
        ("GET", f"{PODS}?limit=many", 400),
        ("GET", f"{DEPLOYMENT}/nosuch", 404),
        ("GET", "/nosuch", 404),
        ("PUT", DEPLOYMENT, 400),
    ],
)
async def test_a_wrong_request_is_a_status(api: Api, method: str, path: str, code: int) -> None:
    status, answer = await api.call(method, path)
    assert (status, answer["kind"], answer["code"]) == (code, "Status", code)


async def test_protected_and_git_owned_workloads_say_so(api: Api) -> None:
    wallet = await api.get("/apis/apps/v1/namespaces/wallet/deployments/wallet-service")
    assert wallet["metadata"]["labels"]["do-not-remediate"] == "true"
    market = await api.get("/apis/apps/v1/namespaces/trading/deployments/market-data")
    assert "argocd.argoproj.io/tracking-id" in market["metadata"]["annotations"]


async def test_the_official_client_reads_and_acts_through_the_kubeconfigs(api: Api) -> None:
    from kubernetes.aio import client, config

    async def rehearse(path: Path) -> int:
        made = client.Configuration()
        load: Callable[..., Awaitable[None]] = config.load_kube_config
        await load(config_file=str(path), client_configuration=made)
        async with client.ApiClient(made) as connection:
            apps = client.AppsV1Api(connection)
            found = await apps.read_namespaced_deployment("order-api", "trading")
            assert found.status is not None
            assert found.status.ready_replicas == 4
            patch = [{"op": "replace", "path": "/spec/replicas", "value": 5}]
            shown = await apps.patch_namespaced_deployment(
                "order-api", "trading", patch, dry_run="All"
            )
            assert shown.spec is not None
            return shown.spec.replicas or 0

    assert await rehearse(api.server.actor_kubeconfig) == 5
    with pytest.raises(client.ApiException, match="cannot patch resource"):
        await rehearse(api.server.reader_kubeconfig)
    assert (await effects(api))["total"] == 0
