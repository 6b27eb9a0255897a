"""What is proposed meets what a person wrote: the person's words stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.core.upkeep.onboarding.files import CatalogueFiles, propose, write
from bot.core.upkeep.onboarding.merging import Fate
from bot.core.upkeep.onboarding.verifying import Proposal
from foundation.yaml_edit import Edit, edited
from foundation.yaml_file import parse_yaml
from tools.metrics_and_services import CatalogueError, load_catalogue
from tools.onboarding.backstage import BackstageError, read_components
from tools.onboarding.drafts import Draft
from tools.onboarding.limits import Limit
from tools.onboarding.service_drafts import Described, ServiceDraft, Workload, service_drafts
from tools.onboarding.subjects import Subject
from tools.world import MetricRole, ServiceName

KEPT = """\
# ours, by hand

http:
  http_rate:  # the front door
    query: "sum(rate(x[5m]))"
    unit: requests/s   # of all
    description: mine
    threshold: 7  # agreed with Ada

# the databases
db:
  db_up:
    query: min(up)
    unit: ratio
    description: up
# the end
"""


def metric(name: str, category: str = "http", limit: float | None = 5.0) -> Proposal:
    draft = Draft(name, category, MetricRole.TRAFFIC, f"sum by (job) (rate({name}[5m]))",
                  "requests/s", f"About {name}", "job", "HTTP services")  # fmt: skip
    return Proposal(draft, frozenset({"a"}), Limit(limit, "a tenth of the usual"))


@pytest.fixture
def files(tmp_path: Path) -> CatalogueFiles:
    return CatalogueFiles(tmp_path / "metrics.yaml", tmp_path / "services.yaml")


SERVICES = [ServiceDraft("cart", "shop", "front", (("Deployment", "cart"),), ("till",)),
            ServiceDraft("till")]  # fmt: skip


def test_a_first_run_writes_what_the_bot_reads(files: CatalogueFiles) -> None:
    proposed = propose(files, [metric("http_rate"), metric("db_rate", "db", None)], SERVICES)
    assert proposed.first
    write(files, proposed)
    catalogue = load_catalogue(files.metrics, files.services)
    assert {n: (m.role, m.threshold) for n, m in catalogue.metrics.items()} == {
        "http_rate": (MetricRole.TRAFFIC, 5),
        "db_rate": (MetricRole.TRAFFIC, None),
    }
    assert catalogue.services[ServiceName("cart")].team == "front"
    assert catalogue.dependencies(ServiceName("cart")) == ("till",)
    assert "threshold: 5  # proposal: a tenth of the usual" in files.metrics.read_text("utf-8")


def test_a_run_again_finds_nothing_new(files: CatalogueFiles) -> None:
    write(files, propose(files, [metric("http_rate")], SERVICES))
    again = propose(files, [metric("http_rate")], SERVICES)
    assert again.nothing
    assert not again.first


def test_what_a_person_changed_stays_and_the_rest_is_renewed(files: CatalogueFiles) -> None:
    write(files, propose(files, [metric("http_rate"), metric("b_rate"), metric("c_rate")], []))
    text = files.metrics.read_text("utf-8")
    first, rest = text.split("  b_rate:")
    mine = first.replace("threshold: 5  # proposal: a tenth of the usual", "threshold: 9  # Ada")
    files.metrics.write_text(mine + "  b_rate:" + rest.split("  c_rate:")[0], "utf-8")
    again = propose(files, [metric(n, limit=6.0) for n in ("http_rate", "b_rate", "c_rate")], [])
    fates = {each.name: each.fate for each in again.changes[0].merged.outcomes}
    assert fates == {"http_rate": Fate.KEPT, "b_rate": Fate.UPDATED, "c_rate": Fate.REMOVED}
    write(files, again)
    text = files.metrics.read_text("utf-8")
    assert "threshold: 9  # Ada" in text
    assert "threshold: 6  # proposal: a tenth of the usual" in text
    assert "c_rate" not in text
    third = propose(files, [metric(n, limit=6.0) for n in ("http_rate", "b_rate", "c_rate")], [])
    assert third.nothing


def test_a_file_of_a_persons_own_keeps_every_line(files: CatalogueFiles) -> None:
    files.metrics.write_text(KEPT, "utf-8")
    proposed = propose(files, [metric("http_rate"), metric("http_more"), metric("z", "other")], [])
    fates = {each.name: each.fate for each in proposed.changes[0].merged.outcomes}
    assert fates == {"http_rate": Fate.KEPT, "http_more": Fate.ADDED, "z": Fate.ADDED}
    write(files, proposed)
    text = files.metrics.read_text("utf-8")
    left = [line for line in text.splitlines() if line in KEPT.splitlines()]
    assert [line for line in left if line] == [line for line in KEPT.splitlines() if line]
    order = [text.index(each) for each in ("http_more:", "# the databases", "db:", "# HTTP")]
    assert order == sorted(order)


def test_what_would_not_be_read_is_not_written(files: CatalogueFiles) -> None:
    files.services.write_text("cart: {namespace: shop, dependencies: [gone]}\n", "utf-8")
    proposed = propose(files, [metric("http_rate")], SERVICES)
    with pytest.raises(CatalogueError, match="gone"):
        write(files, proposed)
    assert not files.metrics.exists()
    assert not files.proposed.exists()


def test_a_broken_record_of_what_was_proposed_is_told(files: CatalogueFiles) -> None:
    files.proposed.write_text("{", "utf-8")
    with pytest.raises(CatalogueError, match="put the committed one back"):
        propose(files, [], [])


@pytest.mark.parametrize(
    "text",
    [
        "a:\n    x: 1\n    deps:\n    - b   # why\nb:\n    x: 2\n",
        "a:\n  x: 1\n  deps:\n    - b\n    - c\n\n# about b\nb: {x: 2, y: [1, 2]}\n",
        "a: {x: 'quoted', y: \"of two\n    lines\"}\nb:\n  x: 1\n",
        "a:\n  x: >-\n    folded text\n    of two lines\n  y: |\n    kept\nb:\n  x: 1\n# end\n",
    ],
)
def test_a_value_put_in_leaves_the_others_alone(text: str) -> None:
    after = edited(text, [Edit(("c", "x"), 3, "proposal: new")], mark="proposal:")
    before = parse_yaml(text, "before").value
    assert parse_yaml(after, "after").value == {**before, "c": {"x": 3}}
    comments = [line.partition("#")[2] for line in text.splitlines() if "#" in line]
    assert all(each in after for each in comments)


# --- services -------------------------------------------------------------------------------


def test_services_are_told_by_targets_workloads_and_people() -> None:
    targets = [
        {"instance": "10.0.0.1:80", "app": "cart", "pod": "cart-api-7f9c4d8b6-x2x4z",
         "kubernetes_namespace": "shop", "squad": "front"},
        {"instance": "10.0.0.2:80", "app": "till", "kubernetes_namespace": "shop"},
    ]  # fmt: skip
    workloads = [
        Workload("Deployment", "shop", "cart-api"),
        Workload("StatefulSet", "shop", "till-db", {"app": "till", "example.com/team": "money"}),
        Workload("Deployment", "tools", "nobody-measures"),
        Workload("DaemonSet", "kube-system", "kube-proxy"),
    ]
    described = [Described("cart", "", calls=("till", "unheard-of"), runbooks=("https://r",))]
    found = {
        each.name: each
        for each in service_drafts(
            ["cart", "till", "10.0.0.9:1"], targets, Subject(("app",)), workloads,
            [("till", "cart")], described,
        )
    }  # fmt: skip
    assert set(found) == {"cart", "till", "nobody-measures"}
    assert found["cart"] == ServiceDraft(
        "cart", "shop", "front", (("Deployment", "cart-api"),), ("till",), (), ("https://r",)
    )
    assert found["till"].team == "money"
    assert found["till"].workloads == (("StatefulSet", "till-db"),)
    assert found["till"].dependencies == ("cart",)


def test_a_name_in_two_namespaces_is_not_guessed() -> None:
    twice = [Workload("Deployment", space, "cart") for space in ("live", "staging")]
    (found,) = service_drafts(["cart"], [], None, twice, [], [])
    assert found.workloads == ()


CATALOG_INFO = """\
# two documents, as Backstage allows
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: cart
  annotations: {backstage.io/kubernetes-id: cart-api}
  links:
  - {url: https://grafana.example/d/1, title: Dashboard}
  - {url: https://wiki.example/cart, title: Runbook}
spec: {type: service, owner: group:default/front, dependsOn: [component:till, resource:default/db]}
---
kind: Location
spec: {target: ./x.yaml}
"""


def test_backstage_tells_owners_and_dependencies(tmp_path: Path) -> None:
    path = tmp_path / "catalog-info.yaml"
    path.write_text(CATALOG_INFO, "utf-8")
    assert read_components(path) == [
        Described(
            "cart", "front", "", ("till", "db"), frozenset({"cart-api"}),
            ("https://grafana.example/d/1",), ("https://wiki.example/cart",),
        )
    ]  # fmt: skip
    path.write_text(CATALOG_INFO.replace("./x.yaml}", "[}"), "utf-8")
    with pytest.raises(BackstageError, match=r"catalog-info\.yaml:1[34]"):
        read_components(path)
