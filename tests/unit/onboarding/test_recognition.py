"""What labels, names and types tell: whom a series is about, what failed, what is full."""

from __future__ import annotations

from pathlib import Path

import promql_parser
import pytest

from tools.onboarding.conventions import (
    Alternative,
    ConventionError,
    load_conventions,
    written,
)
from tools.onboarding.families import FamilyShape, families_of
from tools.onboarding.label_shapes import is_name, kind_of, workload_of
from tools.onboarding.statuses import failing_of
from tools.onboarding.subjects import Subject, choose, learned_from, subject_of, target_of
from tools.onboarding.unknown import filled, is_behind
from tools.ports import MetricAbout


def rows(*texts: str) -> list[dict[str, str]]:
    """Return rows written as `job=a svc=b`."""
    return [dict(each.split("=", 1) for each in text.split()) for text in texts]


APPS = [f"instance=10.0.0.{i}:80" for i in range(1, 5)]


@pytest.mark.parametrize(
    ("said", "label"),
    [
        pytest.param(
            [f"{a} job=apps svc={s} squad=x" for a, s in zip(APPS, "abca", strict=True)],
            "svc",
            id="one job for all: the label that splits it",
        ),
        pytest.param(
            [f"{a} job={s} env=prod" for a, s in zip(APPS, "abca", strict=True)],
            "job",
            id="the environment splits nothing",
        ),
        pytest.param(
            [
                f"{a} job=apps who={s}"
                for a, s in zip(APPS, ("cart", "till", "stock", "cart"), strict=True)
            ],
            "who",
            id="a name nobody listed, which splits",
        ),
        pytest.param(
            [f"{a} job=j-{i}7x team=t app=shop-{i}" for i, a in enumerate(APPS)],
            "app",
            id="jobs that a machine named",
        ),
        pytest.param(
            [
                f"{a} job={j} xq3={s}"
                for a, j, s in zip(
                    APPS, "aabb", ("cart-7", "till-3", "c9x-db", "queue-1"), strict=True
                )
            ],
            "xq3",
            id="a rewritten name, each service one target, jobs that are groups",
        ),
        pytest.param([APPS[0], APPS[1]], "instance", id="nothing but addresses"),
    ],
)
def test_the_label_that_splits_targets_into_services_is_found(said: list[str], label: str) -> None:
    subject = choose(rows(*said))
    assert subject is not None
    assert subject.labels == (label,)


def test_services_that_other_labels_name_are_told_in_one_metric() -> None:
    targets = rows(f"{APPS[0]} job=a svc=cart", f"{APPS[1]} job=a svc=till", f"{APPS[2]} job=stock")
    subject = choose(targets)
    assert subject is not None
    assert [subject.of(row) for row in targets] == ["cart", "till", "stock"]
    assert subject.group_by == "service"
    promql_parser.parse(f"sum by (service) ({subject.named('rate(x[5m])')})")


def test_a_pod_gives_its_workload() -> None:
    pods = rows(*(f"{a} job=kubernetes-pods namespace=shop pod={p}" for a, p in zip(APPS, (
        "cart-7f9c4d8b6-x2x4z", "cart-7f9c4d8b6-bd2f9", "till-5d6c7f8b9c-zz2k4", "stock-0",
    ), strict=True)))  # fmt: skip
    subject = choose(pods)
    assert subject is not None
    assert [subject.of(row) for row in pods] == ["cart", "cart", "till", "stock"]


@pytest.mark.parametrize(
    ("pod", "workload", "kind"),
    [
        ("order-api-7f9c4d8b6-x2x4z", "order-api", "Deployment"),
        ("ledger-db-12", "ledger-db", "StatefulSet"),
        ("log-agent-x9k2z", "log-agent", "DaemonSet"),
        ("alone", "alone", "DaemonSet"),
    ],
)
def test_a_pods_name_tells_what_owns_it(pod: str, workload: str, kind: str) -> None:
    assert (workload_of(pod), kind_of(pod)) == (workload, kind)


def test_a_collector_that_tells_of_many_services_names_them_itself() -> None:
    rule = Subject(("job",))
    told = rows(*(f"instance=collector:1 job=otel service_name={s}" for s in ("cart", "till")))
    subject = subject_of(told, rule)
    assert subject == Subject(("service_name",))
    inside = rows("instance=10.0.0.1:80 job=cart component=parser",
                  "instance=10.0.0.1:80 job=cart component=writer")  # fmt: skip
    assert subject_of(inside, rule) == rule


def test_programs_of_one_job_that_name_themselves_are_told_apart() -> None:
    rule = Subject(("job",))
    names = ("admission", "labs", "pharmacy", "labs")
    told = rows(*(f"{a} job=wards app_name={n} op=x" for a, n in zip(APPS, names, strict=True)))
    assert subject_of(told, rule) == Subject(("app_name",))
    one_silent = [*told, *rows("instance=10.0.0.9:80 job=printers")]
    subject = subject_of(one_silent, rule)
    assert subject is not None
    assert subject.of(one_silent[0]) == "admission"
    assert subject.of(one_silent[-1]) == "printers"
    already = rows(f"{APPS[0]} job=labs app_name=labs", f"{APPS[1]} job=pharmacy app_name=pharmacy")
    assert subject_of(already, rule) == rule


def test_what_one_family_says_of_a_target_holds_for_all_that_is_scraped_there() -> None:
    targets = rows(f"{APPS[0]} job=apps squad=a", f"{APPS[1]} job=apps squad=b", "instance=n job=n")
    asked = rows(f"{APPS[0]} job=apps app_name=labs", f"{APPS[1]} job=apps app_name=hl7-worker")
    alone = rows(f"{APPS[2]} job=apps app_name=queue-runner queue=adt")
    targets += rows(f"{APPS[2]} job=apps squad=b")
    rule, known = learned_from([asked, alone], targets, Subject(("job",)))
    assert [rule.of(row) for row in known] == ["labs", "hl7-worker", "n", "queue-runner"]
    assert subject_of(alone, rule) == Subject(("app_name",))
    collector = rows("instance=c:1 job=otel service_name=a", "instance=c:1 job=otel service_name=b")
    assert learned_from([collector], targets, Subject(("job",)))[0] == Subject(("job",))


def test_a_namespace_before_a_name_is_left_out_where_no_two_meet() -> None:
    two = rows("job=shop/cart", "job=shop/till", "job=stock")
    subject = subject_of(two, Subject(("job",)))
    assert subject is not None
    assert [subject.of(row) for row in two] == ["cart", "till", "stock"]
    promql_parser.parse(f"sum by ({subject.group_by}) ({subject.named('x')})")
    twice = rows("job=live/cart", "job=staging/cart")
    assert subject_of(twice, Subject(("job",))) == Subject(("job",))


def test_what_measures_is_not_what_is_measured() -> None:
    said = rows("instance=h:1 job=main-db service=postgres-exporter namespace=data")
    assert choose(said) == Subject(("job",))


def test_machines_of_one_job_are_told_apart_by_their_address() -> None:
    rule = Subject(("job",))
    assert target_of(rows(*(f"{a} job=machines" for a in APPS)), rule) == Subject(("instance",))
    assert target_of(rows(f"{APPS[0]} job=main-db"), rule) == rule
    probes = rows("instance=https://a.example job=probe", "instance=https://b.example job=probe")
    assert target_of(probes, rule) == Subject(("instance",))


@pytest.mark.parametrize(
    ("label", "values", "matcher"),
    [
        ("code", "200 404 503", 'code=~"5.."'),
        ("rsp", "200 201", 'rsp=~"5.."'),  # whatever it is called, and before anything failed
        ("status", "2xx 5xx", 'status=~"5.."'),
        ("grpc_code", "OK NotFound Internal", "unavailable"),
        ("result", "ok failed", "fail"),
        ("ending", "succeeded", "fail"),
        ("is_error", "true false", 'is_error=~"(?i)true'),
        ("success", "true false", 'success=~"(?i)false'),
        ("error_type", "timeout", 'error_type!=""'),
    ],
)
def test_what_failed_is_told_by_the_values_of_a_label(
    label: str, values: str, matcher: str
) -> None:
    found = failing_of(rows(*(f"path=/a {label}={value}" for value in values.split())))
    assert [each.label for each in found] == [label]
    assert matcher in found[0].matcher
    promql_parser.parse(f"x{{{found[0].matcher}}}")


@pytest.mark.parametrize("values", ["a b", "8080 9090", "GET POST", "eu-1 us-1"])
def test_other_labels_say_nothing_of_failures(values: str) -> None:
    assert failing_of(rows(*(f"kind={value}" for value in values.split()))) == ()


def test_services_may_say_what_failed_in_different_labels() -> None:
    found = failing_of(rows("svc=a code=200", "svc=a code=500", "svc=b status=200"))
    assert {each.label for each in found} == {"code", "status"}


def test_names_are_put_together_to_families() -> None:
    names = [
        "a_seconds_bucket", "a_seconds_sum", "a_seconds_count", "a_seconds_created",
        "b_ms", "b_ms_sum", "b_ms_count", "c_total", "c_created", "d_count", "e_bytes",
    ]  # fmt: skip
    found = families_of(names, {"d_count": MetricAbout("d_count", "gauge")})
    assert {name: each.shape for name, each in found.items()} == {
        "a_seconds": FamilyShape.HISTOGRAM,
        "b_ms": FamilyShape.SUMMARY,
        "c_total": FamilyShape.COUNTER,
        "d_count": FamilyShape.GAUGE,
        "e_bytes": FamilyShape.GAUGE,
    }
    assert [found[n].unit for n in ("a_seconds", "b_ms", "e_bytes")] == [
        "seconds", "milliseconds", "bytes",
    ]  # fmt: skip


def test_a_unit_stands_in_the_metadata_or_in_the_help() -> None:
    about = {
        "call_duration": MetricAbout("call_duration", "histogram", "Time in milliseconds."),
        "size": MetricAbout("size", "gauge", "", "bytes"),
        "worker_latency": MetricAbout("worker_latency", "gauge", "How slow it is"),
    }
    found = families_of(list(about), about)
    assert [found[n].unit for n in about] == ["milliseconds", "bytes", ""]


@pytest.mark.parametrize(
    ("part", "whole", "free"),
    [
        ("pool_connections_active", "pool_connections_max", False),
        ("slots_in_use", "max_slots", False),
        ("cache_used_bytes", "cache_limit_bytes", False),
        ("disk_free_bytes", "disk_total_bytes", True),
    ],
)
def test_a_gauge_is_paired_with_its_maximum(part: str, whole: str, *, free: bool) -> None:
    pairs = filled(families_of([part, whole, "other_max"], {}).values())
    gauges = {each.part.name: (each.whole.name, each.free) for each in pairs}
    about = {n: MetricAbout(n, "gauge") for n in (part, whole, "other_max")}
    typed = filled(families_of(list(about), about).values())
    assert {each.part.name: (each.whole.name, each.free) for each in typed} == {part: (whole, free)}
    assert gauges == {part: (whole, free)} or whole.endswith("_total_bytes")


def test_what_waits_is_told_by_its_name() -> None:
    names = ["mail_queue_depth", "replica_lag_seconds", "jobs_pending", "queue_max", "page_size"]
    found = families_of(names, {})
    assert [n for n in names if is_behind(found[n])] == names[:3]


@pytest.mark.parametrize(
    "value",
    ["10.0.0.1:80", "[::1]:80", "/api/v1", "https://x.example/a", "42",
     "0a1b2c3d-0a1b-4c3d-8e9f-0a1b2c3d4e5f"],
)  # fmt: skip
def test_addresses_paths_and_hashes_are_no_names(value: str) -> None:
    assert not is_name(value)


# --- the shipped conventions ----------------------------------------------------------------


@pytest.mark.parametrize(
    "subject", [Subject(("svc",)), Subject(("svc", "job")), Subject(("pod",), "pod")]
)
def test_every_query_of_every_convention_is_promql(subject: Subject) -> None:
    for convention in load_conventions().values():
        for asked in convention.metrics.values():
            for each in asked.query:
                query = each.query if isinstance(each, Alternative) else each
                text = written(query, subject=subject.group_by, window="5m", named=subject.named)
                promql_parser.parse(text)
                assert "$" not in text.replace('"$1"', "")
        for told in convention.requests:
            promql_parser.parse(f"x{{{', '.join(filter(None, (told.where, told.failed)))}}}")


def test_no_two_conventions_propose_the_same_metric() -> None:
    spelled = [name for each in load_conventions().values() for name in each.metrics]
    assert len(spelled) == len(set(spelled))
    built = {
        (convention, told.name)
        for convention, each in load_conventions().items()
        for told in each.requests
    }
    names = [name for _, name in built]
    assert {n for n in names if names.count(n) > 1} <= {"mesh"}  # one mesh is enough


def test_a_convention_that_is_wrong_names_file_and_place(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("own:\n  title: Ours\n  signs: [x]\n  metrics: {a: {role: speed}}\n")
    with pytest.raises(ConventionError, match=r"own\.yaml:4:\d+"):
        load_conventions(tmp_path)
    path.write_text("own: {title: Ours, signs: [own_up]}\n")
    (tmp_path / "two.yaml").write_text(path.read_text())
    load_conventions.cache_clear()
    with pytest.raises(ConventionError, match="'own' stands in two files"):
        load_conventions(tmp_path)
