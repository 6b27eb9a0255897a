"""Whom series tell of: the label that splits them into services, told by its shape.

    job="apps" svc="basket" instance="10.0.0.7:8080" squad="a"  ──> svc
    job="search" instance="10.0.0.9:8080"                          ──> job
    both in one family                                             ──> svc, else job

A label names the service when its values are names, when every target has one value of it, and
when it splits the targets best; its own name only breaks ties. A pod's label gives the workload:
what its name begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.onboarding.families import words_of
from tools.onboarding.label_shapes import (
    POD_PATTERN,
    Rows,
    is_instance,
    is_name,
    labels_in,
    pod_label,
    prior,
    values_of,
    workload_of,
)
from tools.onboarding.vocabulary import listed

JOINED = "service"  # the label that several are joined in
WORKLOAD = "workload"  # the label that a pod's workload is put in
_MOSTLY = 0.9  # of a label's values are names, then the label is one of names


@dataclass(frozen=True, slots=True)
class Subject:
    """The labels that name a service, the best first; a later one serves without them."""

    labels: tuple[str, ...]
    pod: str = ""  # which of them names pods, whose workload is meant
    spaced: frozenset[str] = frozenset()  # which of them put a namespace before: `main/my-api`

    @property
    def group_by(self) -> str:
        """The label that names the service in the answer of a query built with `named`."""
        if len(self.labels) > 1:
            return JOINED
        if self.spaced:
            return JOINED
        return WORKLOAD if self.pod else self.labels[0]

    def named(self, promql: str) -> str:
        """Return an expression whose series carry `group_by`."""
        if self.labels == (self.group_by,) and not self.spaced:
            return promql
        into = self.group_by
        for label in reversed(self.labels):
            whole = "(?:.*/)?([^/]+)" if label in self.spaced else "(.+)"
            promql = f'label_replace({promql}, "{into}", "$1", "{label}", "{whole}")'
            if label == self.pod:
                promql = f'label_replace({promql}, "{into}", "$1", "{label}", "{POD_PATTERN}")'
        return promql

    def of(self, row: Mapping[str, str]) -> str:
        """Return whom a row tells of; empty when no label says."""
        label = next((each for each in self.labels if row.get(each)), "")
        value = row.get(label, "")
        value = value.rpartition("/")[2] if label in self.spaced else value
        return workload_of(value) if label == self.pod else value


def named_by(labels: Sequence[str], rows: Rows, pod: str = "") -> Subject:
    """Return the subject of some labels; a namespace before names is left out where none meet."""
    spaced = set()
    for label in labels:
        values = values_of(rows, label)
        short = {value.rpartition("/")[2] for value in values}
        if (
            label != pod
            and all(map(is_name, values))
            and len(short) == len(values)
            and (short != values)
        ):
            spaced.add(label)
    return Subject(tuple(labels), pod, frozenset(spaced))


def choose(rows: Rows) -> Subject | None:
    """Return what names the services of some rows; None when nothing does, not even an address.

    Rows with other labels may name theirs otherwise.
    """
    schemes: dict[frozenset[str], list[dict[str, str]]] = {}
    for row in rows:
        named = frozenset(k for k, v in row.items() if v and is_name(v) and prior(k) > -2)
        schemes.setdefault(named, []).append(dict(row))
    best: dict[str, float] = {}
    for some in schemes.values():
        scores = _scores(some)
        label = max(sorted(scores), key=lambda each: scores[each], default="") or _address(some)
        if label:
            best[label] = max(best.get(label, -9.0), scores.get(label, -9.0))
    pod = pod_label(rows)
    labels = sorted(best, key=lambda each: (prior(each) < 2, each != pod, -best[each], each))
    return named_by(labels, rows, pod if pod in best else "") if labels else None


def subject_of(rows: Rows, rule: Subject | None) -> Subject | None:
    """Return what names the services of a family's rows, by the platform's rule where it holds."""
    own = _said_by_programs(rows, rule)
    if own:
        rest = [row for row in rows if not row.get(own)]
        others = rule.labels if rule is not None else ()
        used_by_rest = [x for x in others if any(row.get(x) for row in rest)]
        return named_by((own, *used_by_rest), rows)
    if rule is None:
        return choose(rows)
    used = [next((x for x in rule.labels if row.get(x)), "") for row in rows]
    if not all(used):
        return choose(rows)
    labels = tuple(label for label in rule.labels if label in used)
    return named_by(labels, rows, rule.pod if rule.pod in labels else "")


def learned_from(
    samples: Iterable[Rows], targets: Rows, rule: Subject
) -> tuple[Subject, list[dict[str, str]]]:
    """Return the rule with the label by which programs name themselves, and targets that carry it.

    What one family says of a target holds for all that is scraped there.
    """
    every = list(samples)
    for rows in every:
        own = _said_by_programs(rows, rule)
        carry = [each for each in every if own and any(row.get(own) for row in each)]
        if own and own not in rule.labels and all(_says_itself(each, own) for each in carry):
            said = {row[_address(each)]: row[own] for each in carry for row in each if row.get(own)}
            known = [
                next(({**row, own: said[v]} for v in row.values() if v in said), dict(row))
                for row in targets
            ]
            return Subject((own, *rule.labels), rule.pod, rule.spaced), known
    return rule, [dict(row) for row in targets]


def _says_itself(rows: Rows, own: str) -> bool:
    """Say whether each target has one value of a label, and an address to know it by."""
    address = _address(rows)
    return all(row.get(address) for row in rows) and _one_each(rows, address, own)


def target_of(rows: Rows, rule: Subject | None) -> Subject | None:
    """Return what tells the targets of some rows apart: the service's name where it does.

    A machine, a database, a watched address is a thing of its own, also where many share a job.
    """
    address = _address(rows)
    subject = subject_of(rows, rule)
    if subject is None or not address:
        return subject
    targets = {(row.get(address, ""), subject.of(row)) for row in rows}
    named = {name for _, name in targets}
    apart = len(named) == len({where for where, _ in targets})
    return subject if apart and "" not in named else Subject((address,))


def _scores(rows: Rows) -> dict[str, float]:
    """Return how well each label of the rows names services; what cannot is left out."""
    address = _address(rows)
    pod = pod_label(rows)
    split: dict[str, int] = {}
    for label in labels_in(rows):
        values = values_of(rows, label)
        names = sum(1 for value in values if is_name(value))
        if label in {address, pod} or names < _MOSTLY * len(values) or prior(label) <= -2:
            continue
        if not address or _one_each(rows, address, label):
            split[label] = len(values)
    if pod:
        split[pod] = len({workload_of(value) for value in values_of(rows, pod)})
    most = max(split.values(), default=1)
    return {
        label: prior(label) * (2.0 if prior(label) > 1 else 1.0)
        + 5.0 * count / most  # more than a name says: names are rewritten
        + 1.5 * _wordly(values_of(rows, label))
        - 3.0 * _of_exporters(values_of(rows, label))
        + (3.4 if label == pod else 0.0)  # its workload is a name, where no label says it better
        for label, count in split.items()
    }


def _wordly(values: set[str]) -> float:
    """Return the share of values that people would write: no word of them mixes in digits."""
    good = sum(1 for v in values if all(w.isalpha() or w.isdigit() for w in words_of(v)))
    return good / len(values) if values else 0.0


def _of_exporters(values: set[str]) -> float:
    """Return the share of values that name who measures, not what is measured."""
    own = sum(1 for value in values if {"exporter", "metrics"} & set(words_of(value)))
    return own / len(values) if values else 0.0


def _address(rows: Rows) -> str:
    """Return the label that tells targets apart: an address, or where a probe looks."""
    best, most = "", 0
    for label in labels_in(rows):
        values = values_of(rows, label)
        if label == "instance" or all(is_instance(v) or "://" in v for v in values):
            count = len(values) + (label == "instance")
            if count > most:
                best, most = label, count
    return best


def _one_each(rows: Rows, address: str, label: str) -> bool:
    """Say whether every target has one value of a label."""
    seen: dict[str, str] = {}
    return all(
        seen.setdefault(row.get(address, ""), row[label]) == row[label]
        for row in rows
        if row.get(label)
    )


def _said_by_programs(rows: Rows, rule: Subject | None) -> str:
    """Return the label by which programs name more services than the platform's rule does.

    A collector tells of many; programs of one job each of itself (`app_name`), which no target's
    label knows. Empty when there is none.
    """
    known = {rule.of(row) for row in rows} if rule is not None else {""}
    found: Sequence[str] = [
        label
        for label in labels_in(rows)
        if set(words_of(label)) & listed("label_many")
        and (prior(label) > 1 or label.startswith("exported_"))
        and all(is_name(value) for value in values_of(rows, label))
    ]
    best = max(found, key=lambda label: len(values_of(rows, label)), default="")
    return best if best and len(values_of(rows, best)) > len(known) else ""
