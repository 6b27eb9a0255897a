"""Every action by the name playbooks write: the shipped ones, and those a team brings along."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tools.act.breaker import CircuitBreaker
from tools.act.config import ConfigRollback
from tools.act.contract import Action, Parameters
from tools.act.database import DatabaseFailover
from tools.act.http import HttpCall
from tools.act.jobs import RunJob
from tools.act.nodes import Cordon, Drain, Uncordon
from tools.act.pods import PodRestart
from tools.act.rollout import DeploymentRollback, RolloutRestart
from tools.act.scaling import HpaScale, Scale
from tools.extensions import ExtensionError, load_extensions

GROUP = "sre_agent.actions"  # entry points of installed packages
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_ALL: tuple[Action, ...] = (
    PodRestart(),
    RolloutRestart(),
    HpaScale(),
    Scale(),
    DeploymentRollback(),
    ConfigRollback(),
    CircuitBreaker(),
    HttpCall(),
    Cordon(),
    Uncordon(),
    Drain(),
    RunJob(),
    DatabaseFailover(),
)
ACTIONS: Mapping[str, Action] = MappingProxyType({action.name: action for action in _ALL})

# Lowest floor an action on a kind may have: that of the mildest shipped one on the same kind.
KIND_FLOORS: Mapping[str, float] = MappingProxyType(
    {
        kind: min(action.floor for action in _ALL if kind in action.kinds)
        for kind in sorted({kind for action in _ALL for kind in action.kinds})
    }
)
UNKNOWN_KIND_FLOOR = 0.4  # a kind nobody has judged yet: a person always decides


def load_actions(folders: Sequence[Path] = ()) -> Mapping[str, Action]:
    """Return the shipped actions and those a team added, by name. Raises ExtensionError."""
    own = load_extensions(folders, GROUP, Action, shipped=_ALL)  # type: ignore[type-abstract]
    for each in own:
        _check(each)
    return MappingProxyType({action.name: action for action in (*_ALL, *own)})


def _check(own: Any) -> None:
    """Refuse an action that could not be judged, or judges itself too mildly."""
    if not isinstance(own.name, str) or not _NAME.fullmatch(own.name):
        raise ExtensionError(f"action {own.name!r}: a name is lower case, digits and underscores")
    if not isinstance(own.kinds, tuple) or not own.kinds:
        raise ExtensionError(f"action {own.name!r}: kinds {own.kinds!r} must name what it acts on")
    if not (isinstance(own.parameters, type) and issubclass(own.parameters, Parameters)):
        raise ExtensionError(
            f"action {own.name!r}: parameters {own.parameters!r} must be a subclass of "
            "tools.act.contract.Parameters"
        )
    floor = own.floor
    if isinstance(floor, bool) or not isinstance(floor, int | float) or not 0 <= floor <= 1:
        raise ExtensionError(
            f"action {own.name!r}: floor {floor!r} is no risk; say the lowest score it may have, "
            "from 0 to 1"
        )
    for kind in own.kinds:
        least = KIND_FLOORS.get(kind, UNKNOWN_KIND_FLOOR)
        if floor < least:
            raise ExtensionError(
                f"action {own.name!r}: floor {floor!r} is below {least!r}, the least for an action "
                f"on a {kind}"
            )
