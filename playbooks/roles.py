"""Expressions that speak of roles, spelled out for what there is to measure.

role:latency > 100%  ──spelled_out──>  (api_p99 > 0.5 or queue_p99 > 2)     for one service
A or lacking > 1     ──without──────>  A                                    for one catalogue
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from playbooks.triggers import ROLE, AndOr, Comparison, Expression, Not, parse

FLIPPED: Mapping[str, str] = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


@dataclass(frozen=True, slots=True)
class OwnLimit:
    """A metric's own limit, and whether values below it are the bad ones."""

    metric: str
    value: float
    falls: bool = False


def roles_in(expression: Expression) -> frozenset[str]:
    """Return the roles that an expression speaks of."""
    return frozenset(name for name in expression.metrics() if name.startswith(ROLE))


def spelled_out(
    expression: Expression, limits: Mapping[str, Sequence[OwnLimit]]
) -> Expression | None:
    """Return it over metrics instead of roles; a role without any is left out. None: all was."""
    match expression:
        case Comparison() if expression.metric.startswith(ROLE):
            parts = tuple(_of_metric(expression, each) for each in limits[expression.metric])
            beyond = expression.sign in {">", ">="}
            return _joined("or" if beyond else "and", parts)
        case Not():
            inside = spelled_out(expression.part, limits)
            return None if inside is None else Not(inside)
        case AndOr():
            found = (spelled_out(part, limits) for part in expression.parts)
            return _joined(expression.word, tuple(part for part in found if part is not None))
    return expression


def _of_metric(share: Comparison, limit: OwnLimit) -> Expression:
    """Return a share of a limit as a comparison with the metric; 200 % of a floor is half of it."""
    if not limit.falls:
        return Comparison(limit.metric, share.sign, share.number * limit.value)
    # below zero a limit grows with the share, as it does on the other side
    scale = share.number if limit.value < 0 else 1 / share.number if share.number else 1.0
    number = limit.value * scale
    return Comparison(limit.metric, FLIPPED[share.sign], number)


def without(text: str, lacking: AbstractSet[str]) -> str | None:
    """Return an expression that asks for nothing that is lacking; None: it cannot do without."""
    expression = parse(text)
    if not expression.metrics() & lacking:
        return text
    left = _left(expression, lacking)
    return None if left is None else str(left)


def _left(expression: Expression, lacking: AbstractSet[str]) -> Expression | None:
    match expression:
        case Comparison():
            return None if expression.metric in lacking else expression
        case Not():
            inside = _left(expression.part, lacking)
            return None if inside is None else Not(inside)
        case AndOr():
            parts = [_left(part, lacking) for part in expression.parts]
            known = tuple(part for part in parts if part is not None)
            if expression.word == "and" and len(known) < len(parts):
                return None  # it could never hold
            return _joined(expression.word, known)
    return expression


def _joined(word: str, parts: tuple[Expression, ...]) -> Expression | None:
    if len(parts) > 1:
        return AndOr(word, parts)
    return parts[0] if parts else None
