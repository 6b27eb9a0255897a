"""World files: `sandbox/worlds/NAME.yaml`, read strictly. docs/worlds.md tells how to write one.

What is misspelt, doubled, missing or names what does not exist is an error that says where.
"""

import difflib
from collections.abc import Hashable
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from sandbox.world import blueprint, metrics, scenario
from sandbox.world.blueprint import Blueprint
from sandbox.world.check import faults_of
from sandbox.world.errors import WorldError
from sandbox.world.scenario import Scenario

WORLD_DIR = Path(__file__).resolve().parent.parent / "worlds"
DEFAULT_WORLD = "trading"
_NAMED = ("services", "stories")  # mappings whose key is the name of what it leads to
_SHOWN = 12  # errors told at once


class _StrictLoader(yaml.SafeLoader):
    """YAML in which no key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                line = key.start_mark.line + 1
                msg = f"line {line}: the key {key.value!r} stands twice"
                raise WorldError(msg)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def world_names(directory: Path = WORLD_DIR) -> tuple[str, ...]:
    """Return the names of the worlds that exist."""
    return tuple(sorted(path.stem for path in directory.glob("*.yaml")))


@cache
def load_world(name: str = DEFAULT_WORLD, directory: Path = WORLD_DIR) -> Blueprint:
    """Read one world; WorldError says everything that is wrong with it."""
    if name not in world_names(directory):
        msg = f"no world {name!r}; there are {', '.join(world_names(directory))}"
        raise WorldError(msg)
    path = directory / f"{name}.yaml"
    try:
        return read_world(name, path.read_text(encoding="utf-8"))
    except (WorldError, UnicodeDecodeError) as error:
        msg = f"{path.name}: {error}"
        raise WorldError(msg) from error


def read_world(name: str, text: str) -> Blueprint:
    """Return the world that a file's text describes."""
    try:
        raw = yaml.load(text, _StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        msg = f"{where}{error.problem or error}"
        raise WorldError(msg) from error
    if not isinstance(raw, dict):
        msg = "a world is a mapping with title, services, conventions, stories and more"
        raise WorldError(msg)
    raw = {key: value for key, value in raw.items() if not str(key).startswith("x-")}
    for part in _NAMED:
        if isinstance(raw.get(part), dict):
            raw[part] = {
                key: {**body, "name": key} if isinstance(body, dict) else body
                for key, body in raw[part].items()
            }
    try:
        world = TypeAdapter(Blueprint).validate_python({**raw, "name": name})
    except ValidationError as error:
        raise WorldError(_told(error)) from error
    wrong = faults_of(world)
    if wrong:
        raise WorldError("; ".join(wrong[:_SHOWN]))
    return world


def load_scenario(name: str, world: str = DEFAULT_WORLD) -> Scenario:
    """Return one story of a world; ScenarioError names those that exist."""
    return load_world(world).get_scenario(name)


def scenario_names(world: str = DEFAULT_WORLD) -> tuple[str, ...]:
    """Return the names of a world's stories."""
    return tuple(sorted(load_world(world).stories))


def _told(error: ValidationError) -> str:
    rows = []
    for each in error.errors(include_url=False)[:_SHOWN]:
        where = ".".join(str(part) for part in each["loc"])
        if each["type"] == "unexpected_keyword_argument":
            rows.append(f"{where}: no such key{_nearest(each)}")
        elif each["type"] in {"missing", "missing_argument"}:
            rows.append(f"{where}: is missing")
        else:
            rows.append(f"{where}: {each['msg']}, got {each['input']!r:.60}")
    return "; ".join(rows)


def _nearest(each: Any) -> str:
    """Return the known key next to a misspelt one."""
    known = {
        field
        for module in (blueprint, metrics, scenario)
        for noun in vars(module).values()
        for field in getattr(noun, "__dataclass_fields__", ())
    }
    close = difflib.get_close_matches(str(each["loc"][-1]), sorted(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
