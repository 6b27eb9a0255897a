"""The effect set as a noun: its order, its JSON, and what lies outside of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.store.codec import decode, encode
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import deployment
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, parse_parameters
from tools.act.effects import UNREAD_FLOOR, EffectSet, PodBound, Reached, ServiceBehind
from tools.act.reach import of_addresses, owner_tree
from tools.errors import BackendDeniedError, NotFoundError
from tools.ownership import Standing
from tools.ports import HttpReply
from tools.world import WorkloadRef


def ref(name: str, kind: str = "Deployment", uid: str = "u") -> WorkloadRef:
    return WorkloadRef("default", "shop", kind, name, uid)


NAMES = st.text("abc", min_size=1, max_size=2)
REFS = st.builds(ref, NAMES, st.sampled_from(["Deployment", "Pod", "Node"]), NAMES)
LABELS = st.lists(st.sampled_from(["a=1", "b=2", "c="]), unique=True).map(
    lambda found: tuple(sorted(found))
)
REACHED = st.builds(
    Reached, REFS, LABELS, st.sampled_from(Standing), st.text(max_size=5), st.booleans()
)
BOUNDS = st.builds(PodBound, REFS, st.integers(0, 9), LABELS)
SERVICES = st.builds(ServiceBehind, REACHED, st.lists(REFS, max_size=2).map(tuple))
SETS = st.builds(
    EffectSet,
    *(st.lists(REACHED, max_size=3).map(tuple) for _ in range(3)),
    st.lists(BOUNDS, max_size=3).map(tuple),
    st.lists(SERVICES, max_size=2).map(tuple),
    st.lists(REACHED, max_size=2).map(tuple),
)


@given(SETS)
def test_it_is_stored_and_read_without_loss(effects: EffectSet) -> None:
    assert decode(EffectSet, encode(effects)) == effects


@given(SETS, st.randoms(use_true_random=False))
def test_it_is_the_same_in_whatever_order_it_was_found(effects: EffectSet, chance: object) -> None:
    def mixed(items: tuple[object, ...]) -> tuple[object, ...]:
        found = list(items)
        chance.shuffle(found)  # type: ignore[attr-defined]
        return tuple(found)

    fields = ("objects", "owners", "scaled", "pods", "services", "namespaces")
    again = EffectSet(**{name: mixed(getattr(effects, name)) for name in fields})  # type: ignore[arg-type]
    assert again == effects


@given(SETS, SETS)
def test_nothing_of_a_set_lies_outside_a_union_it_is_part_of(
    one: EffectSet, other: EffectSet
) -> None:
    whole = EffectSet.union([one, other])
    assert whole.excess(one) == whole.excess(other) == ""
    assert EffectSet.union([other, one]).to_json() == whole.to_json()


SHOWN = EffectSet(
    objects=(Reached(ref("node", "Node")),),
    owners=(Reached(ref("web"), top=True), Reached(ref("web-1", "ReplicaSet"))),
    scaled=(Reached(ref("scaled")),),
    pods=(PodBound(ref("web"), 3),),
    services=(ServiceBehind(Reached(ref("front", "Service"))),),
)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (replace(SHOWN, objects=(Reached(ref("node", "Node", "anew")),)), "Node/node would be"),
        (replace(SHOWN, owners=(Reached(ref("web", uid="anew"), top=True),)), "stands above"),
        (replace(SHOWN, scaled=(Reached(ref("other")),)), "other would be scaled"),
        (replace(SHOWN, pods=(PodBound(ref("other"), 1),)), "pods of shop/Deployment/other"),
        (replace(SHOWN, pods=(PodBound(ref("web"), 4),)), "4 pods .* 3 were shown"),
        (
            replace(SHOWN, services=(ServiceBehind(Reached(ref("new", "Service"))),)),
            "Service/new stands before it",
        ),
    ],
)
def test_what_was_not_shown_is_outside(now: EffectSet, told: str) -> None:
    import re

    assert re.search(told, SHOWN.excess(now))


@pytest.mark.parametrize(
    "now",
    [
        EffectSet(),
        replace(SHOWN, pods=(PodBound(ref("web"), 2, ("app=web",)),)),
        replace(SHOWN, owners=(Reached(ref("web-2", "ReplicaSet", "anew")),)),  # a new revision
        replace(SHOWN, objects=(Reached(ref("node", "Node"), ("new=label",)),)),
        replace(SHOWN, services=(ServiceBehind(Reached(ref("front", "Service", "anew"))),)),
    ],
)
def test_what_was_shown_or_replaces_it_is_inside(now: EffectSet) -> None:
    assert SHOWN.excess(now) == ""


@pytest.mark.parametrize("other", [Standing.FOREIGN, Standing.READ])
def test_of_two_tellings_of_one_object_the_worse_known_one_counts(other: Standing) -> None:
    known = EffectSet(objects=(Reached(ref("web"), ("a=1",), other, "a note"),))
    unknown = EffectSet(objects=(Reached(ref("web"), ("b=2",), Standing.UNKNOWN, "denied", True),))
    foreign = EffectSet(objects=(Reached(ref("web"), (), Standing.FOREIGN),))
    for pair in ([known, unknown], [unknown, known]):
        (told,) = EffectSet.union(pair).objects
        assert told == Reached(ref("web"), ("a=1", "b=2"), Standing.UNKNOWN, "denied", True)
    (told,) = EffectSet.union([known, foreign]).objects
    assert told.standing is Standing.FOREIGN


def test_a_service_that_only_an_address_may_mean_is_not_told_of_as_found() -> None:
    services = (
        ServiceBehind(Reached(ref("found", "Service"))),
        ServiceBehind(Reached(ref("maybe", "Service", ""))),
        ServiceBehind(Reached(ref("denied", "Service", ""), standing=Standing.UNKNOWN)),
    )
    told = EffectSet(services=services).served_by()
    assert [each.name for each in told] == ["denied", "found"]


def test_labels_of_the_pods_are_judged_at_their_owner() -> None:
    effects = EffectSet(
        owners=(Reached(ref("web"), ("a=1",), top=True),),
        pods=(PodBound(ref("web"), 1, ("b=2",)), PodBound(ref("bare", "Pod"), 1, ("c=3",))),
    )
    assert [each.labels for each in effects.everything()] == [("a=1", "b=2"), ("c=3",)]


def test_what_is_worked_on_is_what_two_plans_must_not_share() -> None:
    names = {str(each) for each in SHOWN.workloads()}
    assert names == {"shop/Node/node", "shop/Deployment/web", "shop/Deployment/scaled"}


# --- every action says it -----------------------------------------------------------------------


class Answering:
    """An endpoint that says that the breaker is closed."""

    async def check(self, method: str, url: str) -> None:
        """Allow everything."""

    async def call(self, method: str, url: str, body: object, key: str) -> HttpReply:
        """Answer."""
        return HttpReply(200, '{"state": "closed"}')


ENDPOINT = WorkloadRef("default", "shop", "Endpoint", "risk")


def world() -> FakeCluster:
    cluster = FakeCluster(deployment("vault", namespace="safe"))
    cluster.put({"kind": "Namespace", "metadata": {"name": "safe", "labels": {"a": "b"}}})
    metadata = {"namespace": "safe", "name": "vault"}
    cluster.put({"kind": "Service", "metadata": metadata, "spec": {"selector": {"app": "vault"}}})
    return cluster


@pytest.mark.parametrize("name", ["http_call", "circuit_breaker"])
async def test_a_call_to_a_service_of_the_cluster_reaches_who_stands_behind_it(name: str) -> None:
    actors = Actors(FakeClock(), world(), Answering())
    raw = {"url": "http://vault.safe.svc:8080/x"}
    action = ACTIONS[name]
    state = await action.observe(actors, ENDPOINT, parse_parameters(action, raw))
    assert state.effects is not None
    (behind,) = state.effects.services
    assert str(behind.reached.ref) == "safe/Service/vault"
    assert [str(each) for each in behind.members] == ["safe/Deployment/vault"]
    assert [each.labels for each in state.effects.namespaces] == [("a=b",)]


@pytest.mark.parametrize("dot", ["\u3002", "\uff0e", "\uff61"])
async def test_a_dot_of_another_script_hides_no_service(dot: str) -> None:
    # RFC 3490 3.1: clients of international names take these for full stops, and so does ours
    actors = Actors(FakeClock(), world(), Answering())
    raw = {"url": f"http://vault{dot}safe{dot}svc:8080/x"}
    action = ACTIONS["http_call"]
    state = await action.observe(actors, ENDPOINT, parse_parameters(action, raw))
    assert state.effects is not None
    assert [str(each.reached.ref) for each in state.effects.services] == ["safe/Service/vault"]


async def test_a_call_to_a_service_that_is_not_there_reaches_nobody_knows_what() -> None:
    actors = Actors(FakeClock(), world(), Answering())
    action = ACTIONS["http_call"]
    raw = {"url": "http://other.safe.svc/x", "undo_url": "https://api.example.com/x"}
    state = await action.observe(actors, ENDPOINT, parse_parameters(action, raw))
    assert state.effects is not None
    assert [str(each.ref) for each in state.effects.unknown()] == ["safe/Service/other"]


async def test_a_call_into_a_cluster_that_nobody_may_act_in_takes_two_people() -> None:
    actors = Actors(FakeClock(), None, Answering())
    action = ACTIONS["http_call"]
    state = await action.observe(
        actors, ENDPOINT, parse_parameters(action, {"url": "http://vault.safe.svc/x"})
    )
    assert state.effects is not None
    assert state.effects.floor() == UNREAD_FLOOR
    outside = parse_parameters(action, {"url": "https://api.example.com/x"})
    state = await action.observe(actors, ENDPOINT, outside)
    assert state.effects is not None
    assert state.effects.floor() == 0.0


async def test_a_host_of_two_parts_is_a_service_only_where_there_is_one() -> None:
    actors = Actors(FakeClock(), world(), Answering())
    action = ACTIONS["http_call"]

    async def served(url: str) -> list[str]:
        state = await action.observe(actors, ENDPOINT, parse_parameters(action, {"url": url}))
        assert state.effects is not None
        assert state.effects.unknown() == ()
        return [str(each) for each in state.effects.served_by()]

    assert await served("http://vault.safe:8080/x") == ["safe/Service/vault"]
    assert await served("https://example.com/x") == []
    nowhere = await of_addresses(actors, ENDPOINT, "https://example.com/x")
    assert nowhere.services == ()
    assert actors.cluster is not None
    actors.cluster.unreadable = {"example": BackendDeniedError("kubernetes", "no")}  # type: ignore[attr-defined]
    unread = await of_addresses(actors, ENDPOINT, "https://example.com/x")
    (behind,) = unread.services  # where nobody may look, the name is judged
    assert (behind.reached.ref.name, behind.reached.standing) == ("example", Standing.READ)


# --- an action that does not say ----------------------------------------------------------------


async def test_an_undeclared_effect_is_the_target_with_its_owners_and_pods() -> None:
    vault = WorkloadRef("default", "safe", "Deployment", "vault")
    effects = await owner_tree(world(), vault)
    assert [str(each.ref) for each in effects.objects] == ["safe/Deployment/vault"]
    assert [(str(each.owner), each.maximum) for each in effects.pods] == [
        ("safe/Deployment/vault", 3)
    ]
    assert [str(each.reached.ref) for each in effects.services] == ["safe/Service/vault"]
    pod = await owner_tree(world(), replace(vault, kind="Pod", name="vault-h2-0"))
    assert {str(each.ref) for each in pod.owners} == {
        "safe/ReplicaSet/vault-h2", "safe/Deployment/vault",
    }  # fmt: skip
    with pytest.raises(NotFoundError, match="gone"):
        await owner_tree(world(), replace(vault, name="gone"))


async def test_an_undeclared_effect_on_an_autoscaler_is_all_that_it_may_scale() -> None:
    cluster = world()
    aim = {"kind": "Deployment", "name": "vault"}
    spec = {"scaleTargetRef": aim, "minReplicas": 1, "maxReplicas": 7}
    metadata = {"namespace": "safe", "name": "vault"}
    cluster.put({"kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec})
    named = WorkloadRef("default", "safe", "HorizontalPodAutoscaler", "vault")
    effects = await owner_tree(cluster, named)
    assert [str(each.ref) for each in effects.scaled] == ["safe/Deployment/vault"]
    assert [each.maximum for each in effects.pods] == [7]


async def test_pods_of_a_daemon_set_that_does_not_say_how_many_are_counted() -> None:
    cluster = world()
    owner = [{"kind": "DaemonSet", "name": "agent", "uid": "uid-agent", "controller": True}]
    meta = {"namespace": "safe", "name": "agent", "uid": "uid-agent"}
    cluster.put({"kind": "DaemonSet", "metadata": meta, "spec": {}})
    for number, phase in enumerate(["Running", "Running", "Failed"]):
        own = {"namespace": "safe", "name": f"agent-{number}", "ownerReferences": owner}
        cluster.put({"kind": "Pod", "metadata": own, "status": {"phase": phase}})
    effects = await owner_tree(cluster, WorkloadRef("default", "safe", "DaemonSet", "agent"))
    assert [each.maximum for each in effects.pods] == [2]


async def test_an_undeclared_effect_on_what_has_no_pods_is_the_object_in_its_namespace() -> None:
    effects = await owner_tree(world(), WorkloadRef("default", "safe", "Service", "vault"))
    assert [str(each.ref) for each in effects.objects] == ["safe/Service/vault"]
    assert [each.labels for each in effects.namespaces] == [("a=b",)]
    assert effects.pods == ()


async def test_a_target_of_a_kind_nobody_reads_is_foreign() -> None:
    custom = WorkloadRef("default", "safe", "Rollout", "vault")
    effects = await owner_tree(world(), custom)
    assert [each.ref for each in effects.foreign()] == [custom]
