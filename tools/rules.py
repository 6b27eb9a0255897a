"""Reads root-cause rules from YAML. Every complaint says file, line and what to write instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tools.analysis.rca import Correlated, Remedy, Rule
from tools.errors import BadArgumentError, nearest

_RULE_KEYS = frozenset({"id", "condition", "root_cause", "remediation", "kind", "weight"})
_CONDITION_KEYS = frozenset(
    {"primary_metric", "primary_threshold", "correlated_metrics", "events", "logs"}
)
_KINDS = frozenset({"deploy", "config", "resource", "dependency", "traffic", "data", "unknown"})
_LINE = "__line__"


class RuleError(BadArgumentError):
    """A rule file is wrong; the message names file, line and value."""


class _Loader(yaml.SafeLoader):
    """A safe loader whose mappings remember their line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        mapping = super().construct_mapping(node, deep=deep)
        mapping[_LINE] = node.start_mark.line + 1
        return mapping


def load_rules(path: Path, metrics: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Read a rule file; with `metrics` given, a metric that is not among them is an error."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_rules(text, str(path), metrics)


def parse_rules(text: str, name: str = "rules", metrics: Sequence[str] = ()) -> tuple[Rule, ...]:
    """Parse rules from YAML text; `name` is what complaints call the file."""
    try:
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError(f"{name}:{line}: not YAML: {error.problem}") from error
    if tree is None:
        return ()
    if not isinstance(tree, list):
        raise RuleError(
            f"{name}:1: expected a list of rules ('- id: …'), got {type(tree).__name__}"
        )
    rules: dict[str, Rule] = {}
    for entry in tree:
        rule = _rule(entry, name, frozenset(metrics))
        if rule.id in rules:
            raise RuleError(f"{name}:{entry[_LINE]}: rule id {rule.id!r} is used twice")
        rules[rule.id] = rule
    return tuple(rules.values())


def _rule(entry: object, name: str, metrics: frozenset[str]) -> Rule:
    if not isinstance(entry, dict):
        raise RuleError(f"{name}: every rule is a mapping that begins with '- id:', got {entry!r}")
    where = f"{name}:{entry[_LINE]}"
    _check_keys(entry, _RULE_KEYS, where)
    rule_id = _text(entry, "id", where)
    condition = entry.get("condition")
    if not isinstance(condition, dict):
        raise RuleError(f"{where}: rule {rule_id!r} needs a condition with primary_metric")
    inside = f"{name}:{condition[_LINE]}"
    _check_keys(condition, _CONDITION_KEYS, inside)
    kind = str(entry.get("kind", "unknown"))
    if kind not in _KINDS:
        raise RuleError(f"{where}: unknown kind {kind!r}.{nearest(kind, _KINDS)}")
    weight = _number(entry, "weight", where)
    if weight is not None and not 0 < weight < 1:
        raise RuleError(f"{where}: weight {weight!r} must lie between 0 and 1")
    return Rule(
        id=rule_id,
        primary_metric=_metric(condition, "primary_metric", inside, metrics),
        primary_threshold=_number(condition, "primary_threshold", inside),
        correlated=tuple(
            Correlated(
                _metric(part, "metric", f"{name}:{part[_LINE]}", metrics),
                _number(part, "threshold", f"{name}:{part[_LINE]}"),
            )
            for part in _mappings(condition, "correlated_metrics", inside, {"metric", "threshold"})
        ),
        events=_texts(condition, "events", inside),
        logs=_texts(condition, "logs", inside),
        root_cause=_text(entry, "root_cause", where),
        kind=kind,
        weight=0.4 if weight is None else weight,
        remediation=tuple(
            Remedy(_text(part, "action", f"{name}:{part[_LINE]}"), str(part.get("target", "")))
            for part in _mappings(entry, "remediation", where, {"action", "target"})
        ),
    )


def _check_keys(mapping: Mapping[str, Any], known: frozenset[str] | set[str], where: str) -> None:
    for key in mapping:
        if key not in known and key != _LINE:
            raise RuleError(f"{where}: unknown key {key!r}.{nearest(str(key), known)}")


def _text(mapping: Mapping[str, Any], key: str, where: str) -> str:
    value = mapping.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RuleError(f"{where}: {key} must be a text, got {value!r}")
    return value


def _metric(mapping: Mapping[str, Any], key: str, where: str, metrics: frozenset[str]) -> str:
    value = _text(mapping, key, where)
    if metrics and value not in metrics:
        raise RuleError(f"{where}: unknown metric {value!r}.{nearest(value, metrics)}")
    return value


def _number(mapping: Mapping[str, Any], key: str, where: str) -> float | None:
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RuleError(f"{where}: {key} must be a number, got {value!r}")
    return float(value)


def _texts(mapping: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    value = mapping.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise RuleError(f"{where}: {key} must be a list of texts, got {value!r}")
    return tuple(value)


def _mappings(
    mapping: Mapping[str, Any], key: str, where: str, known: set[str]
) -> list[dict[str, Any]]:
    value = mapping.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise RuleError(f"{where}: {key} must be a list of mappings, got {value!r}")
    for item in value:
        _check_keys(item, known, f"{where.rpartition(':')[0]}:{item[_LINE]}")
    return value
