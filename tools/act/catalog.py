"""Every action by the name playbooks write."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tools.act.breaker import CircuitBreaker
from tools.act.config import ConfigRollback
from tools.act.contract import Action
from tools.act.database import DatabaseFailover
from tools.act.http import HttpCall
from tools.act.jobs import RunJob
from tools.act.nodes import Cordon, Drain, Uncordon
from tools.act.pods import PodRestart
from tools.act.rollout import DeploymentRollback, RolloutRestart
from tools.act.scaling import HpaScale, Scale
from tools.errors import NotFoundError, nearest

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


def get_action(name: str) -> Action:
    """Return an action by name. Raises NotFoundError with the nearest one."""
    try:
        return ACTIONS[name]
    except KeyError:
        raise NotFoundError(f"no action {name!r}.{nearest(name, ACTIONS)}") from None
