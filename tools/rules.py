"""Reads root-cause rules from YAML. Every complaint says file:line:column and what to write.

A rule asks for metrics by their names or by their roles (`role:latency`, `role:saturation:cpu`).
One that asks for what the catalogue has not is left out and told: rules fit many catalogues.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from foundation.nearest import nearest
from foundation.yaml_file import PathInFile, YamlFile, YamlFileError, read_yaml
from tools.analysis.symptoms import Correlated, Rule, SuggestedAction
from tools.errors import BadArgumentError

_RULE_KEYS = frozenset({"id", "condition", "root_cause", "remediation", "kind", "weight"})
_CONDITION_KEYS = frozenset(
    {"primary_metric", "primary_threshold", "correlated_metrics", "events", "logs"}
)
_KINDS = frozenset({"deploy", "config", "resource", "dependency", "traffic", "data", "unknown"})


class RuleError(BadArgumentError):
    """A rule file is wrong; the message names file, line, column and value."""


@dataclass(frozen=True, slots=True)
class RulesRead:
    """What stands in a rule file, and what was left out for want of metrics."""

    rules: tuple[Rule, ...]
    lacking: Mapping[str, str]  # rule's id → the names that the catalogue has not


def load_rules(path: Path) -> tuple[Rule, ...]:
    """Read every rule of a file."""
    try:
        return _rules(read_yaml(path))
    except YamlFileError as error:
        raise RuleError(str(error)) from error


def read_rules(path: Path, measurable: AbstractSet[str]) -> RulesRead:
    """Read the rules that can be judged by what a catalogue measures."""
    rules = load_rules(path)
    lacking = {
        rule.id: ", ".join(sorted(rule.asked - measurable))
        for rule in rules
        if not measurable >= rule.asked
    }
    return RulesRead(tuple(r for r in rules if r.id not in lacking), MappingProxyType(lacking))


def _rules(file: YamlFile) -> tuple[Rule, ...]:
    tree = file.value
    if tree is None:
        return ()
    if not isinstance(tree, list):
        raise RuleError(
            f"{file.where()}: expected a list of rules ('- id: …'), got {type(tree).__name__}"
        )
    rules: dict[str, Rule] = {}
    for index, entry in enumerate(tree):
        part = _Part(file, (index,), entry)
        if not isinstance(entry, dict):
            raise part.error(f"every rule is a mapping that begins with '- id:', got {entry!r}")
        rule = _rule(part)
        if rule.id in rules:
            raise part.error(f"rule id {rule.id!r} is used twice", "id")
        rules[rule.id] = rule
    return tuple(rules.values())


def _rule(entry: _Part) -> Rule:
    entry.check_keys(_RULE_KEYS)
    rule_id = entry.text("id")
    if not isinstance(entry.values.get("condition"), dict):
        raise entry.error(f"rule {rule_id!r} needs a condition with primary_metric", "condition")
    condition = entry.part("condition")
    condition.check_keys(_CONDITION_KEYS)
    kind = str(entry.values.get("kind", "unknown"))
    if kind not in _KINDS:
        raise entry.error(f"unknown kind {kind!r}.{nearest(kind, _KINDS)}", "kind")
    weight = entry.number("weight")
    if weight is not None and not 0 < weight < 1:
        raise entry.error(f"weight {weight!r} must lie between 0 and 1", "weight")
    return Rule(
        id=rule_id,
        primary_metric=condition.text("primary_metric"),
        primary_threshold=condition.number("primary_threshold"),
        correlated=tuple(
            Correlated(part.text("metric"), part.number("threshold"))
            for part in condition.parts("correlated_metrics", {"metric", "threshold"})
        ),
        events=condition.texts("events"),
        logs=condition.texts("logs"),
        root_cause=entry.text("root_cause"),
        kind=kind,
        weight=0.4 if weight is None else weight,
        remediation=tuple(
            SuggestedAction(part.text("action"), str(part.values.get("target", "")))
            for part in entry.parts("remediation", {"action", "target"})
        ),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """One mapping of the file, and where it stands."""

    file: YamlFile
    path: PathInFile
    values: Mapping[str, Any]

    def error(self, text: str, *below: str | int) -> RuleError:
        return RuleError(f"{self.file.where((*self.path, *below))}: {text}")

    def check_keys(self, known: frozenset[str] | set[str]) -> None:
        for key in self.values:
            if key not in known:
                raise self.error(f"unknown key {key!r}.{nearest(str(key), known)}", key)

    def part(self, *below: str | int) -> _Part:
        values: Any = self.values
        for each in below:
            values = values[each]
        return _Part(self.file, (*self.path, *below), values)

    def parts(self, key: str, known: set[str]) -> list[_Part]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(f"{key} must be a list of mappings, got {value!r}", key)
        found = [self.part(key, index) for index in range(len(value))]
        for each in found:
            each.check_keys(known)
        return found

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{key} must be a text, got {value!r}", key)
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise self.error(f"{key} must be a list of texts, got {value!r}", key)
        return tuple(value)

    def number(self, key: str) -> float | None:
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(f"{key} must be a number, got {value!r}", key)
        return float(value)
