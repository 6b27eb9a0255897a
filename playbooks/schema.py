"""What a playbook may say. Unknown keys are errors; what a playbook leaves out is safe."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from foundation.numbers import refuse_flag
from playbooks import templates, triggers
from playbooks.patterns import complaint

RESERVED = frozenset(  # variables the bot fills in from the finding, the service and the cluster
    {"service", "namespace", "cluster", "workload", "kind", "target_pod", "target_node", "finding"}
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def _expression(text: str) -> str:
    try:
        triggers.parse(text)
    except triggers.TriggerError as error:
        raise ValueError(f"column {error.column} of {text!r}: {error}") from error
    return text


def _template(text: str) -> str:
    templates.variables(text)
    return text


Expression = Annotated[str, Field(min_length=1), AfterValidator(_expression)]
Template = Annotated[str, Field(min_length=1), AfterValidator(_template)]


class Part(BaseModel):
    """Base of every part of a playbook."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_flag(value, cls.model_fields[info.field_name or ""].annotation)


class Parameter(Part):
    """A value that whoever proposes the playbook may choose."""

    description: str = Field(min_length=1)
    default: str | None = None  # None: it must be given
    pattern: str = r"[A-Za-z0-9._-]+"  # the whole value must match

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        if why := complaint(pattern):
            raise ValueError(f"{pattern!r} is no regular expression of RE2: {why}")
        return pattern


class PlaybookAction(Part):
    """One action on one object."""

    action: str
    target: Template
    parameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("parameters")
    @classmethod
    def _leaves_are_templates(cls, value: dict[str, Any]) -> dict[str, Any]:
        for key, text in templates.leaves(value):
            templates.variables(text)
            if key.endswith("url"):
                templates.check_url(text)
        return value

    def variables(self) -> frozenset[str]:
        """Return every variable it needs."""
        texts = [self.target, *(text for _, text in templates.leaves(self.parameters))]
        return frozenset().union(*(templates.variables(text) for text in texts))


class PlaybookStep(PlaybookAction):
    """One step; without `undo` the action's own way back is used."""

    name: str = Field(min_length=1, max_length=100)
    timeout_seconds: int = Field(120, ge=1, le=3600)
    undo: PlaybookAction | None = None


class Verify(Part):
    """How success is judged, over catalogued metrics."""

    expression: Expression
    window_seconds: int = Field(600, ge=30, le=86_400)  # world time


class Playbook(Part):
    """One playbook."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)
    name: str = Field(min_length=1, max_length=100)
    description: str = Field(min_length=1)
    trigger_conditions: tuple[Expression, ...] = Field(min_length=1)  # any of them
    preconditions: tuple[Expression, ...] = ()  # all of them, or no plan is made
    risk_override: float | None = Field(None, ge=0, le=1)
    steps: tuple[PlaybookStep, ...] = Field((), max_length=10)  # none: diagnosis only
    verify: tuple[Verify, ...] = ()  # all of them; none: the trigger must clear
    cooldown_minutes: float | None = Field(None, ge=0)  # longer than the general one, if given
    owners: tuple[str, ...] = ()  # teams that keep it
    services: tuple[str, ...] = ()  # none: all services
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    diagnosis: str = ""  # what a person should look at, when there are no steps

    @model_validator(mode="after")
    def _holds_together(self) -> Playbook:
        for name in self.parameters:
            if not _NAME.fullmatch(name):
                raise ValueError(f"parameter {name!r} must be lower_case")
            if name in RESERVED:
                raise ValueError(f"parameter {name!r} is filled in by the bot; choose another name")
        known = RESERVED | self.parameters.keys()
        unknown = sorted(self.variables() - known)
        if unknown:
            raise ValueError(
                f"nothing fills in {unknown[0]!r}; declare it under parameters or use one of: "
                + ", ".join(sorted(known))
            )
        if not self.steps and (self.risk_override or 0) < 0.8:
            raise ValueError("a playbook without steps is diagnosis only: risk_override ≥ 0.8")
        return self

    def variables(self) -> frozenset[str]:
        """Return every variable its steps need."""
        needed: frozenset[str] = frozenset()
        for step in self.steps:
            needed |= step.variables()
            if step.undo is not None:
                needed |= step.undo.variables()
        return needed

    def actions(self) -> frozenset[str]:
        """Return the names of the actions it uses."""
        own = {step.action for step in self.steps}
        return frozenset(own | {step.undo.action for step in self.steps if step.undo})
