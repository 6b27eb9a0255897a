"""Whose something is, and what of it a model may read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.core.investigation.model.figures_only import reduced
from bot.core.investigation.model.limits import UNPLACED, Limits
from bot.core.investigation.model.mixing import mixes_series
from bot.core.investigation.model.reading import ModelReading
from bot.core.investigation.recorder import _is_ours
from tests.fakes.decision import service
from tools.backends.kubernetes.calls import KubernetesCall
from tools.backends.kubernetes.failures import Failures
from tools.backends.kubernetes.kinds import resource_of
from tools.errors import AnswerTooLargeError, BackendRefusedError, BadArgumentError, NotFoundError
from tools.world import Catalogue, MetricName, MetricSpec, ModelData, ServiceName, WorkloadRef

ALL, FIGURES, NOTHING = ModelData
LATENCY = MetricSpec(MetricName("latency"), "api", "q", "orders/s", "", group_by="backend")
SERVICES = {
    ServiceName(each.name): each
    for each in (
        service("shop", aliases=("the shop",)),
        service("cart", model_data=FIGURES),
        service("vault", model_data=NOTHING),
        service("shop@us", cluster="us", model_data=FIGURES),
        service("wiki", namespace="tools", workloads=()),
    )
}
CATALOGUE = Catalogue({LATENCY.name: LATENCY}, SERVICES)
LIMITS = Limits(CATALOGUE)
SAID = "sorry about that"


@pytest.mark.parametrize(
    ("item", "level"),
    [
        ({"service": "cart"}, FIGURES),
        ({"service": "Vault"}, NOTHING),
        ({"service": "the shop"}, ALL),
        ({"service": "shop"}, FIGURES),  # whichever cluster it runs in
        ({"service": "shop", "cluster": "us"}, FIGURES),
        ({"service": "vault-proxy"}, NOTHING),  # nobody we know: it might be anybody's
        ({"services": ["cart", "vault"]}, NOTHING),
        ({"service": "cart", "workload": "trading/Deployment/vault"}, NOTHING),
        ({"service": "cart", "labels": {"app": "vault"}}, NOTHING),
        ({"client": "cart", "server": "vault"}, NOTHING),
        ({"labels": {"backend": "cart"}}, FIGURES),  # the metric's own label names the service
        ({"labels": {"namespace": "trading", "pod": "cart-7d9f8-x2x4z"}}, FIGURES),
        ({"object": "trading/Pod/cart-7d9f8-x2x4z"}, FIGURES),
        ({"object": "trading/Job/backup"}, NOTHING),  # somebody's in this namespace
        ({"object": "tools/Deployment/wiki"}, ALL),
        ({"object": "/Node/n1"}, NOTHING),
        ({}, NOTHING),
    ],
)
def test_an_item_counts_as_the_strictest_service_it_might_be(
    item: dict[str, Any], level: ModelData
) -> None:
    left = reduced({"items": [{**item, "text": SAID, "count": 3}]}, LIMITS, None)
    kept = str(left.value)
    assert left.level is level
    assert (SAID in kept, "3" in kept) == (level is ALL, level is not NOTHING)


@pytest.mark.parametrize(
    ("key", "value", "stays"),
    [
        ("count", 3, True),
        ("open", True, True),
        ("at", "2026-11-20T13:59:00Z", True),
        ("started_at", "2026-11-20T13:59:00.120000+00:00", True),
        ("shown", "412 ms", True),
        ("expected_shown", "1.2e+03 orders/s", True),
        ("change", "−12 %", True),
        ("sigma", "+3.1", True),
        ("service", "cart", True),
        ("object", "trading/Pod/cart-7d9f8-x2x4z", True),
        ("image", "registry.example:5000/cart:2.14.0", True),
        ("reason", "CrashLoopBackOff", True),
        ("level", "error", True),
        ("reason", "it said so", False),
        ("level", "error: it said so", False),
        ("name", "it said so", False),
        ("shown", "412 people", False),
        ("text", "4111", False),
        ("message", "2026-11-20", False),
        ("template", "failed", False),
        ("summary", "scaled", False),
        ("author", "eve", False),
        ("anything", "word", False),
        ("it said so", 3, False),
        ("labels", {"exception": "eve"}, False),
        ("labels", {"pod": "it said so"}, False),
        ("labels", {"le": "0.5"}, True),
        ("by_level", {"error": 3}, True),
        ("by_level", {"it said so": 3}, False),
        ("limits", {"memory": "512Mi"}, True),
        ("sketch", [["2026-11-20T13:59:00Z", 0.5]], True),
        ("points", [[1.0, None]], True),
        ("points", [["it said so", 1.0]], False),
    ],
)
def test_figures_are_numbers_times_names_and_states(key: str, value: Any, stays: bool) -> None:
    row = {"service": "cart", "n": 1, key: value}
    left = reduced({"rows": [row]}, LIMITS, None).value["rows"][0]
    assert (left.get(key) == value) is stays
    assert "said" not in str(left)


def test_what_stands_beside_the_items_counts_as_all_of_them() -> None:
    shop = {"service": "wiki", "text": SAID}
    assert reduced({"note": SAID, "rows": [shop]}, LIMITS, None).level is ALL
    both = reduced({"note": SAID, "count": 2, "rows": [shop, {"service": "cart"}]}, LIMITS, None)
    assert both.value == {"count": 2, "rows": [shop, {"service": "cart"}]}
    assert both.kept == {"cart": FIGURES}
    rows = [shop, {"service": "vault"}]
    three = {"count": 2, "by_service": {"wiki": 1, "vault": 1}, "rows": rows}
    cut = reduced(three, LIMITS, None)
    assert cut.value == {"rows": [shop]}
    assert cut.kept == {"vault": NOTHING}


def test_a_result_without_items_is_nobodys_unless_a_service_was_asked_about() -> None:
    assert reduced({"count": 0}, LIMITS, None).value == {}
    assert reduced({"count": 0}, LIMITS, None).kept == {UNPLACED: NOTHING}
    assert reduced({"count": 0, "note": SAID}, LIMITS, FIGURES).value == {"count": 0}
    assert reduced({"count": 0}, LIMITS, ALL).level is ALL


def test_an_item_of_another_service_is_judged_by_its_own_setting() -> None:
    rows = [{"service": "wiki", "text": SAID}, {"service": "vault"}, {"text": SAID}]
    assert reduced({"rows": rows}, LIMITS, FIGURES).value == {
        "rows": [{"service": "wiki", "text": SAID}]
    }


@pytest.mark.parametrize(
    ("expression", "mixes"),
    [
        ("sum by (service) (rate(requests_total[5m]))", False),
        ("histogram_quantile(0.99, sum by (le, service) (rate(x_bucket[5m])))", False),
        ('errors{service="shop"} / requests{service="shop"}', False),
        ('label_replace(balance, "service", "shop", "", "")', True),
        ('LABEL_REPLACE (balance, "service", "shop", "", "")', True),
        ("up * scalar(balance)", True),
        ("up * on () group_right () balance", True),
        ('count_values("service", balance)', True),
        ("sum # \n by (service) (balance)", True),
        ("some_new_function(balance)", True),
    ],
)
def test_an_expression_mixes_unless_its_labels_are_known_to_be_theirs(
    expression: str, mixes: bool
) -> None:
    assert mixes_series(expression) is mixes


def under(**levels: ModelData) -> Limits:
    """Return the limits of a catalogue in which some services changed."""
    changed = {
        name: replace(spec, model_data=levels.get(name, spec.model_data))
        for name, spec in SERVICES.items()
    }
    return Limits(replace(CATALOGUE, services=changed))


def test_what_was_read_is_told_again_unless_a_setting_is_stricter_now() -> None:
    then = LIMITS.stored()
    assert LIMITS.admit(then)
    assert under(cart=ALL, vault=FIGURES).admit(then)
    assert not under(cart=NOTHING).admit(then)
    assert not under(wiki=FIGURES).admit(then)
    assert not LIMITS.admit({}), "what is older than the settings was read without any"
    assert Limits(Catalogue({}, {})).admit({})
    assert not Limits(Catalogue({}, {}, model_data=FIGURES)).admit({})


@pytest.mark.parametrize("told", ["/Node/node-a", "eu-1:/PersistentVolume/pv-1"])
def test_an_event_about_no_namespace_may_be_about_any_service_even_when_one_asked(
    told: str,
) -> None:
    row = {"object": told, "message": SAID, "count": 3}
    assert reduced({"events": [row]}, LIMITS, ALL).value == {"events": []}
    asked = {"workload": "tools/Deployment/wiki", "message": SAID, "warnings": [row]}
    left = reduced({"service": "wiki", "workloads": [asked]}, LIMITS, ALL).value
    assert left["workloads"] == [{**asked, "warnings": []}]


async def test_what_is_down_is_named_to_the_model_without_the_backends_words() -> None:
    gaps = {"loki": f"down: {SAID}"}
    reading = ModelReading(LIMITS, None, None)  # type: ignore[arg-type]
    assert reading.unavailable(gaps) == {"loki": "not available"}
    free = ModelReading(Limits(Catalogue({}, {})), None, None)  # type: ignore[arg-type]
    assert free.unavailable(gaps) == gaps


def test_only_words_about_the_question_are_our_own() -> None:
    ref = WorkloadRef("default", "trading", "Pod", "cart-1")
    call = KubernetesCall("get", resource_of("Pod"), ref)
    said = json.dumps({"message": SAID}).encode()
    gone = Failures("kubernetes", "KUBECONFIG").of_status(call, 404, said)
    assert isinstance(gone, NotFoundError)
    assert not _is_ours(gone)
    wrapped = BadArgumentError(SAID)
    wrapped.__cause__ = BackendRefusedError("prometheus", SAID)
    assert not _is_ours(wrapped)
    assert not _is_ours(AnswerTooLargeError("loki", SAID))
    assert _is_ours(NotFoundError("no service 'x' in the catalogue"))
    assert _is_ours(BadArgumentError("window 'x' is not a duration"))
