"""What a tool is: a coroutine whose signature is its schema.

    async def query_metric(metrics: Metrics, clock: Clock, /, metric: str, window: str = "1h")
                           └── injected by the bot ──┘   └── chosen by the model ──┘

Left of the slash stand ports the bot injects by type; right of it flat typed fields the model
fills in. The docstring is written to the model; its `Args:` section describes the fields.
A model-callable tool may READ or PROPOSE; nothing here can act.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from foundation.nearest import nearest
from tools.errors import BadArgumentError, NotFoundError
from tools.world import Series, Window


class Risk(StrEnum):
    """What a tool can do. There is no third member on purpose."""

    READ = "read"
    PROPOSE = "propose"


@dataclass(frozen=True, slots=True, eq=False)
class ToolResult:
    """One answer of a tool, in the three forms its readers need.

    `summary` is what the model and people read (≤ 4,000 tokens); `payload` is the full result as
    plain JSON, kept as evidence; `value` is the typed result for the deterministic investigator.
    Every figure in `summary` also stands in `payload`, so that it can be traced.
    """

    summary: str
    payload: Any
    value: Any = None
    window: Window | None = None
    query: str = ""
    link: str = ""
    series: tuple[Series, ...] = ()  # what a chart would draw


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, what the model is told, its arguments and its function."""

    name: str
    description: str
    risk: Risk
    arguments: type[BaseModel]
    injected: Mapping[str, type]
    function: Callable[..., Awaitable[ToolResult]] = field(repr=False)

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the arguments."""
        return self.arguments.model_json_schema()


_ARG_LINE = re.compile(r"^\s{4,}(\w+):\s*(.+)$")


def _parts_of(doc: str) -> tuple[str, dict[str, str]]:
    """Split a Google docstring into its prose and the texts of its `Args:` section."""
    prose, _, rest = inspect.cleandoc(doc).partition("\nArgs:\n")
    described: dict[str, str] = {}
    name = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            break
        if match := _ARG_LINE.match(line):
            name = match[1]
            described[name] = match[2].strip()
        elif name and line.strip():
            described[name] += " " + line.strip()
    return prose.strip(), described


def tool(*, risk: Risk) -> Callable[[Callable[..., Awaitable[ToolResult]]], Tool]:
    """Turn a coroutine function into a Tool. Raises TypeError for a signature we cannot offer."""

    def build(function: Callable[..., Awaitable[ToolResult]]) -> Tool:
        hints = typing.get_type_hints(function, include_extras=True)
        prose, described = _parts_of(function.__doc__ or "")
        name = function.__name__
        if not prose:
            raise TypeError(f"tool {name!r} needs a docstring: it is what the model reads")
        injected: dict[str, type] = {}
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            kind = hints[parameter.name]
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                injected[parameter.name] = kind
                continue
            if parameter.name not in described:
                raise TypeError(f"tool {name!r} does not describe its argument {parameter.name!r}")
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[parameter.name] = (kind, Field(default, description=described[parameter.name]))
        model = create_model(
            f"{name.title().replace('_', '')}Arguments",
            __config__=ConfigDict(extra="forbid"),
            **fields,
        )
        _refuse_loose(name, model.model_json_schema())
        return Tool(name, prose, risk, model, injected, function)

    return build


_FLAT = frozenset({"string", "integer", "number", "boolean", "null"})


def _refuse_loose(name: str, schema: Mapping[str, Any]) -> None:
    """Raise TypeError for an argument that strict schemas empty: what is not a flat typed field."""
    known: Mapping[str, Any] = schema.get("$defs") or {}

    def flat(part: Mapping[str, Any], depth: int) -> bool:
        if "$ref" in part:
            part = known[part["$ref"].rpartition("/")[2]]
        if "anyOf" in part:
            return all(flat(each, depth) for each in part["anyOf"])
        if "enum" in part or "const" in part or part.get("type") in _FLAT:
            return True
        if part.get("type") == "array":
            return "items" in part and flat(part["items"], depth)
        inside = part.get("properties") or {}
        closed = part.get("additionalProperties") is False
        return bool(inside and closed and depth) and all(flat(p, 0) for p in inside.values())

    for argument, part in schema.get("properties", {}).items():
        if not flat(part, 1):
            raise TypeError(
                f"tool {name!r}: argument {argument!r} must be text, number, truth or choice, a "
                "list of those, or a list of closed models of those (extra='forbid')"
            )


class Toolbox:
    """The tools of one run with the ports they need."""

    def __init__(self, tools: Iterable[Tool], ports: Mapping[type, object]) -> None:
        """Bind tools to ports; a tool whose port is missing is left out and named in `absent`."""
        self._ports = dict(ports)
        self._tools: dict[str, Tool] = {}
        self.absent: dict[str, str] = {}
        for each in tools:
            missing = [t.__name__ for t in each.injected.values() if t not in self._ports]
            if missing:
                self.absent[each.name] = ", ".join(missing)
            else:
                self._tools[each.name] = each

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The usable tools, in catalogue order."""
        return tuple(self._tools.values())

    def __contains__(self, name: str) -> bool:
        """Say whether a tool is usable."""
        return name in self._tools

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Run one tool. Raises ToolError subclasses only, for the model or the operator."""
        chosen = self._tools.get(name)
        if chosen is None:
            if name in self.absent:
                raise NotFoundError(
                    f"tool {name!r} is off: {self.absent[name]} is not configured; "
                    "say so as a gap and go on without it"
                )
            raise NotFoundError(f"no tool {name!r}.{nearest(name, self._tools)}")
        try:
            parsed = chosen.arguments.model_validate(dict(arguments))
        except ValidationError as error:
            lines = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'arguments'}: {e['msg']} (got {e['input']!r})"
                for e in error.errors(include_url=False)
            )
            raise BadArgumentError(f"{name}: {lines}") from error
        injected = [self._ports[t] for t in chosen.injected.values()]
        chosen_fields = {k: getattr(parsed, k) for k in type(parsed).model_fields}
        return await chosen.function(*injected, **chosen_fields)
