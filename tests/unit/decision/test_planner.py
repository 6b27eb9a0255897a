from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.remediation.planning.planner import Origin
from bot.core.remediation.planning.playbook_choice import trouble_of
from bot.domain.anomaly import open_anomaly
from bot.domain.answer import Answer, Usage
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, FindingId, PlanId, RunId, Ts
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.risk import Trend
from bot.domain.question import Question
from bot.domain.run import Done
from playbooks.loader import load_library
from tests.fakes.decision import ANN, INCIDENTS, RESTART, ROLLBACK, Production, library
from tests.fixtures.nouns import a_run
from tests.fixtures.profile import PLAYBOOKS
from tools.act.actions import ACTIONS
from tools.world import (
    Cause,
    MetricName,
    ProposalDraft,
    ServiceMode,
    ServiceName,
    Severity,
    Verdict,
)

THREAD = Ts("1732099200.000100")


async def test_a_plan_shows_exactly_what_would_happen(world: Production) -> None:
    plan = (await world.record(await world.planned("rollback"))).plan
    step = plan.body.steps[0]
    assert step.target.uid == "uid-shop"
    assert step.parameters["replica_set"] == "shop-h1"
    assert any("shop:2 → shop:1" in line for line in step.diff)
    assert [undo.parameters["replica_set"] for undo in plan.body.undo] == ["shop-h2"]
    assert plan.dry_run[0].endswith("accepted")
    assert plan.blast_radius == ("trading/Deployment/shop",)
    assert world.cluster.sent == []
    assert plan.risk.score == 0.5
    assert any("override" in line for line in plan.risk.lines)


async def test_the_card_and_the_audit_row_come_with_the_plan(world: Production) -> None:
    plan = await world.planned("rollback")
    async with world.store.begin() as tx:
        row = await tx.outbox.find(f"plan:{plan}")
    assert row is not None
    assert (row.view, row.ref, row.channel) == ("plan", plan, INCIDENTS)
    assert await world.audit(plan) == ["plan.proposed"]


async def test_the_same_trigger_twice_is_one_plan(world: Production) -> None:
    import asyncio

    first = await world.propose("rollback")
    second = await world.propose("rollback")
    assert second.plan_id == first.plan_id
    assert first.summary.startswith(f"{first.plan_id} (semi_auto, risk 0.50): Roll back: ")
    assert first.summary.endswith(". it waits for 1 approval(s) until 12:30 UTC.")
    assert second.summary == f"a plan for this exists already: {first.summary}"
    three = await asyncio.gather(*(world.propose("rollback", "cart") for _ in range(3)))
    ids = {each.plan_id for each in three if each.plan_id}
    assert len(ids) == 1


async def test_the_unhealthiest_pod_is_the_one_restarted(world: Production) -> None:
    plan = (await world.record(await world.planned("restart"))).plan
    assert plan.body.steps[0].target.name == "shop-h2-1"


async def test_a_playbook_may_name_the_node_of_the_unhealthiest_pod(world: Production) -> None:
    world.cluster.put({"kind": "Node", "metadata": {"name": "node-a"}, "spec": {}})
    text = ROLLBACK.replace("deployment_rollback", "cordon")
    world.playbooks = library(text.replace("{{ workload }}", "Node/{{ target_node }}"))
    plan = (await world.record(await world.planned("rollback"))).plan
    target = plan.body.steps[0].target
    assert (target.kind, target.namespace, target.name) == ("Node", "", "node-a")


async def test_an_unknown_playbook_names_the_nearest(world: Production) -> None:
    receipt = await world.propose("rolback")
    assert receipt.plan_id is None
    assert "rollback" in receipt.summary


async def test_a_playbook_for_other_services_is_refused_with_their_names(
    world: Production,
) -> None:
    world.playbooks = library(f"{ROLLBACK}services: [cart, vault]\n")
    receipt = await world.propose("rollback")
    assert (receipt.refused_by, receipt.summary) == (
        "playbook_service", "playbook 'rollback' is for cart, vault, not for 'shop'",
    )  # fmt: skip
    assert (await world.propose("rollback", "cart")).plan_id is not None


async def test_an_unknown_service_names_the_nearest(world: Production) -> None:
    assert "'shop'" in (await world.propose("rollback", "shopp")).summary


async def test_one_action_alone_may_be_proposed_on_the_services_own_workload(
    world: Production,
) -> None:
    receipt = await world.propose("hpa_scale", add_replicas="1")
    assert receipt.plan_id is not None
    plan = (await world.record(receipt.plan_id)).plan  # type: ignore[arg-type]
    assert plan.body.steps[0].parameters == {"min_replicas": 3, "max_replicas": 5}


@pytest.mark.parametrize("action", ["http_call", "drain", "database_failover", "run_job"])
async def test_what_reaches_beyond_a_workload_needs_a_written_playbook(
    world: Production, action: str
) -> None:
    receipt = await world.propose(action)
    assert (receipt.plan_id, receipt.refused_by) == (None, "action")
    assert receipt.summary == (
        f"'{action}' alone cannot be proposed; name a playbook that uses it: none"
    )


@pytest.mark.parametrize(
    ("playbook", "parameters"), [("hpa_scale", {"add_replicas": "1"}), ("restart", {})]
)
async def test_of_several_workloads_the_first_one_is_acted_on(
    world: Production, playbook: str, parameters: dict[str, str]
) -> None:
    both = (*world.services["shop"].workloads, *world.services["cart"].workloads)
    world.services["shop"] = replace(world.services["shop"], workloads=both)
    receipt = await world.propose(playbook, "shop", **parameters)
    target = (await world.record(PlanId(receipt.plan_id or ""))).plan.body.steps[0].target
    assert target.name.startswith("shop")


async def test_a_service_without_a_workload_is_acted_on_by_no_action_alone(
    world: Production,
) -> None:
    world.services["shop"] = replace(world.services["shop"], workloads=())
    for playbook in ("hpa_scale", "restart"):
        receipt = await world.propose(
            playbook, **({"add_replicas": "1"} if "_" in playbook else {})
        )
        assert (receipt.refused_by, receipt.summary) == (
            "action",
            "service 'shop' names no workload in services.yaml",
        )


async def test_a_parameter_of_the_model_cannot_leave_its_pattern(world: Production) -> None:
    text = RESTART.replace("{{ target_pod }}", "{{ pod }}") + (
        "parameters:\n  pod: {description: which pod}\n"
    )
    world.playbooks = library(text)
    for value in ("kube-system/Pod/dns", "{{ namespace }}", "a b", "x" * 300):
        receipt = await world.propose("restart", pod=value)
        assert receipt.plan_id is None
        assert ("must match" if len(value) < 253 else "at most 253") in receipt.summary
    assert "needs 'pod': which pod" in (await world.propose("restart")).summary
    assert (
        "no parameter 'pot'. Did you mean 'pod'?"
        in (await world.propose("restart", pot="a")).summary
    )
    assert (await world.propose("restart", pod="shop-h2-0")).plan_id is not None


async def test_a_precondition_without_data_is_not_taken_for_true(world: Production) -> None:
    world.playbooks = library(ROLLBACK + 'preconditions: ["order_qps > 1"]\n')
    unknown = await world.propose("rollback")
    assert (unknown.refused_by, unknown.summary.rpartition("'")[2]) == (
        "precondition",
        " cannot be judged: no data",
    )
    world.metrics["order_qps", "shop"] = 0.0
    false = await world.propose("rollback")
    assert (false.refused_by, false.summary.rpartition("'")[2]) == (
        "precondition",
        " does not hold",
    )
    world.metrics["order_qps", "shop"] = 5.0
    assert (await world.propose("rollback")).plan_id is not None


async def test_a_playbook_without_verify_is_judged_by_its_trigger(world: Production) -> None:
    conditions = '["order_error_rate > 2%", "cpu_usage > 0.8", OOMKilled, "not cpu_usage > 0.7"]'
    text = ROLLBACK.replace('["order_error_rate > 2%"]', conditions)
    world.playbooks = library(text.rpartition("verify")[0])
    world.metrics["order_error_rate", "shop"] = 0.5
    plan = (await world.record(await world.planned("rollback"))).plan
    (rule,) = plan.body.verify  # of what held of metrics, and could be measured
    assert (rule.expression, rule.window_seconds) == ("not (order_error_rate > 2%)", 600)


async def test_two_steps_on_one_object_are_refused(world: Production) -> None:
    text = ROLLBACK.replace(
        "verify:",
        '  - {name: Again, action: rollout_restart, target: "Deployment/shop"}\nverify:',
    )
    world.playbooks = library(text)
    assert "two steps act on" in (await world.propose("rollback")).summary


async def test_a_target_of_another_service_brings_that_services_mode(world: Production) -> None:
    world.set_mode("cart", ServiceMode.OBSERVE)
    assert (await world.propose("both")).refused_by == "service_mode"


async def test_the_digest_survives_the_store(world: Production) -> None:
    record = await world.record(await world.planned("both"))
    assert record.plan.body.digest() == record.plan.digest


def test_the_digest_covers_steps_undo_and_playbook() -> None:
    from dataclasses import replace

    from bot.domain.plans.plan import PlanBody, Step
    from tools.world import WorkloadRef

    step = Step("s", "scale", WorkloadRef("c", "n", "Deployment", "d", "u"), {"a": 1}, 10, "f")
    body = PlanBody((step,), (step,), (), "p", "0")
    others = [
        replace(body, steps=(replace(step, parameters={"a": 2}),)),
        replace(body, undo=()),
        replace(body, playbook_sha256="1"),
        replace(body, steps=(replace(step, target=replace(step.target, uid="x")),)),
        replace(body, steps=(replace(step, fingerprint="g"),)),
    ]
    assert len({body.digest(), *(each.digest() for each in others)}) == 6


# --- findings ---------------------------------------------------------------------------------


def verdict(world: Production, metric: str, sigma: float, observed: float = 1.0) -> Verdict:
    now = world.clock.now()
    return Verdict(
        metric=MetricName(metric),
        labels=(("service", "shop"),),
        service=ServiceName("shop"),
        at=now,
        observed=observed,
        expected=0.01,
        deviation_sigma=sigma,
        votes=(),
        anomalous=True,
        started_at=now,
        method="baseline",
    )


async def a_finding(world: Production, *causes: Cause) -> Finding:
    anomaly = open_anomaly(
        AnomalyId("ANO-1"), "trading", verdict(world, "order_error_rate", 5.5, 0.4)
    )
    finding = Finding(
        FindingId("FND-1"),
        ServiceName("shop"),
        Severity.CRITICAL,
        world.clock.now(),
        (anomaly.id,),
        (),
        causes=causes,
        place=Place(INCIDENTS),
    )
    async with world.store.begin() as tx:
        await tx.anomalies.save(anomaly)
        await tx.findings.save(finding)
        await tx.outbox.post("finding:FND-1", "finding", "FND-1", Place(INCIDENTS))
    return finding


async def test_the_playbook_that_fits_a_finding_is_proposed_in_its_thread(
    world: Production,
) -> None:
    finding = await a_finding(world)
    world.playbooks = library(ROLLBACK, RESTART)
    receipt = await world.bot.proposals.for_new_finding(finding)
    assert receipt is not None
    assert receipt.plan_id is not None
    async with world.store.begin() as tx:
        assert (await tx.findings.get(finding.id)).plan == receipt.plan_id
    record = await world.record(receipt.plan_id)  # type: ignore[arg-type]
    assert record.plan.body.playbook_id == "rollback"
    assert record.plan.finding == finding.id
    assert record.plan.risk.severity == 1.0


async def test_causes_and_past_success_order_the_playbooks(world: Production) -> None:
    other = ROLLBACK.replace("id: rollback", "id: another").replace(
        "deployment_rollback", "rollout_restart"
    )
    world.playbooks = library(ROLLBACK, other.replace('"{{ workload }}"', '"Deployment/shop"'))
    finding = await a_finding(world)
    plain = [
        m.loaded.playbook.id for m in await world.bot.proposals.choice.matches(trouble_of(finding))
    ]
    assert plain == ["another", "rollback"]  # equal: by name
    cause = Cause(
        "a bad release", ServiceName("shop"), "deploy", 0.9, (), None, ("deployment_rollback",)
    )
    named = await a_finding(world, cause)
    found = await world.bot.proposals.choice.matches(trouble_of(named))
    assert [m.loaded.playbook.id for m in found] == ["rollback", "another"]


async def test_nothing_fits_nothing_is_proposed(world: Production) -> None:
    world.playbooks = library(RESTART)
    assert await world.bot.proposals.for_new_finding(await a_finding(world)) is None


BAD_RELEASE = Cause(
    "a bad release", ServiceName("shop"), "deploy", 0.9, (), None, ("deployment_rollback",)
)


async def an_answer_with(world: Production, *causes: Cause) -> RunId:
    question = Question("why do orders fail?", Place(INCIDENTS, THREAD), "mention", ANN)
    answer = Answer("A.", "A.", 0.9, causes, (), "deterministic", Usage())
    run = Done(
        id=RunId("RUN-1"), question=question, started_at=world.clock.now(), owner="one",
        answer=answer,
    )  # fmt: skip
    async with world.store.begin() as tx:
        await tx.runs.save(run)
    return run.id


async def test_the_fix_for_an_answer_is_proposed_for_its_first_cause_and_never_runs_alone(
    world: Production,
) -> None:
    world.playbooks = library(ROLLBACK, RESTART)
    world.metrics["order_error_rate", "shop"] = 0.4
    run = await an_answer_with(world, BAD_RELEASE)
    place = Place(INCIDENTS, THREAD)
    said = await world.bot.proposals.for_answer(run, ANN, place)
    assert said.ok
    async with world.store.begin() as tx:
        (record,) = await tx.plans.list()
    assert record.plan.id in said.message
    assert (record.plan.place, record.plan.requested_by) == (place, ANN)
    assert (record.plan.body.playbook_id, record.plan.auto) == ("rollback", False)
    assert record.plan.reason == "order_error_rate > 2%"


async def test_an_answer_that_blames_nothing_gets_no_plan(world: Production) -> None:
    run = await an_answer_with(world)
    said = await world.bot.proposals.for_answer(run, ANN, Place(INCIDENTS))
    assert (said.ok, said.message) == (False, world.bot.proposals.texts.say("proposal.none_fits"))


async def test_an_answer_whose_cause_no_playbook_fits_gets_no_plan(world: Production) -> None:
    world.playbooks = library(RESTART)
    run = await an_answer_with(world, BAD_RELEASE)
    said = await world.bot.proposals.for_answer(run, ANN, Place(INCIDENTS))
    assert (said.ok, said.message) == (False, world.bot.proposals.texts.say("proposal.none_fits"))


async def test_a_question_without_an_answer_yet_gets_no_plan(world: Production) -> None:
    run = a_run("RUN-2", Place(INCIDENTS), ANN)
    async with world.store.begin() as tx:
        await tx.runs.save(run)
    said = await world.bot.proposals.for_answer(run.id, ANN, Place(INCIDENTS))
    assert (said.ok, said.message) == (False, world.bot.proposals.texts.say("proposal.no_answer"))


async def test_a_proposal_of_an_agent_run_carries_its_asker_and_place(world: Production) -> None:
    desk = world.bot.planner.desk(Origin(Place(INCIDENTS), ANN))
    receipt = await desk.propose(ProposalDraft("rollback", ServiceName("shop"), "asked"))
    record = await world.record(receipt.plan_id)  # type: ignore[arg-type]
    assert record.plan.requested_by == ANN


@pytest.mark.parametrize(
    ("sigma", "trend"),
    [(5.5, Trend.WORSE), (-6.0, Trend.WORSE), (5.0, Trend.STEADY), (4.4, Trend.STEADY),
     (4.3, Trend.BETTER)],
)  # fmt: skip
async def test_how_urgent_a_plan_is_says_whether_its_trouble_grows(
    world: Production, sigma: float, trend: Trend
) -> None:
    finding = await a_finding(world)
    async with world.store.begin() as tx:
        anomaly = await tx.anomalies.get(finding.anomalies[0])
        latest = replace(anomaly.latest, deviation_sigma=sigma)
        await tx.anomalies.save(replace(anomaly, latest=latest))
    receipt = await world.bot.proposals.for_new_finding(finding)
    assert receipt is not None
    record = await world.record(receipt.plan_id)  # type: ignore[arg-type]
    assert any(f"trend {trend.value}" in line for line in record.plan.risk.lines)


# --- the user's table -------------------------------------------------------------------------

TABLE = {
    "pod-restart": ("shop", "auto"),
    "hpa-scale-up": ("shop", "auto"),
    "service-rollback": ("shop", "semi_auto"),
    "config-rollback": ("shop", "semi_auto"),
    "database-failover": ("postgres", "manual"),
    "wallet-diagnosis": ("wallet-service", "critical"),
}


@pytest.mark.parametrize("playbook", TABLE)
async def test_the_shipped_playbooks_reproduce_the_users_table_at_five_sigma(
    world: Production, playbook: str
) -> None:
    from dataclasses import replace

    from tests.fakes.decision import service
    from tools.world import WorkloadRef

    name, tier = TABLE[playbook]
    world.playbooks = dict(load_library([PLAYBOOKS], ACTIONS))
    database = WorkloadRef("default", "data", "StatefulSet", "postgres")
    world.services["postgres"] = service("postgres", namespace="data", workloads=(database,))
    world.cluster.put({"kind": "Namespace", "metadata": {"name": "data"}})
    world.services["wallet-service"] = service("wallet-service", namespace="wallet", tier=1)
    world.services["shop"] = replace(world.services["shop"], tier=1)
    world.cluster.put(
        {
            "kind": "Cluster",
            "metadata": {"namespace": "data", "name": "postgres"},
            "spec": {},
            "status": {
                "currentPrimary": "postgres-1",
                "targetPrimary": "postgres-1",
                "instancesStatus": {"healthy": ["postgres-1", "postgres-2"]},
            },
        }
    )
    row = {"applicationName": "postgres-2", "state": "streaming", "replayLsn": "0/5000000"}
    world.cluster.pod_answers["postgres-1"] = {"currentLsn": "0/5000000", "replicationInfo": [row]}
    _with_config_maps(world)
    anomaly = open_anomaly(
        AnomalyId("ANO-9"),
        "trading",
        replace(verdict(world, "order_error_rate", 5.0), service=ServiceName(name)),
    )
    async with world.store.begin() as tx:
        await tx.anomalies.save(anomaly)
    receipt = await world.propose(playbook, name)
    assert receipt.tier == tier
    if tier == "critical":
        assert (receipt.plan_id, receipt.refused_by) == (None, "tier_critical")
    else:
        record = await world.record(receipt.plan_id)  # type: ignore[arg-type]
        assert record.status is PlanStatus.WAITING
        assert record.plan.risk.severity == 1.0
        assert record.plan.approvers_needed == (2 if tier == "manual" else 1)


def _with_config_maps(world: Production) -> None:
    for version in (1, 2):
        world.cluster.put(
            {
                "kind": "ConfigMap",
                "metadata": {"namespace": "trading", "name": f"shop-v{version}"},
                "data": {"limit": str(version)},
            }
        )
    pairs = [("Deployment", "shop", 2), ("ReplicaSet", "shop-h2", 2), ("ReplicaSet", "shop-h1", 1)]
    for kind, name, version in pairs:
        item = world.cluster.objects[kind, "trading", name]
        container = item["spec"]["template"]["spec"]["containers"][0]
        container["envFrom"] = [{"configMapRef": {"name": f"shop-v{version}"}}]
