"""Numbers at the doors: pydantic reads `true` as 1 and `false` as 0, which nobody means."""

from __future__ import annotations

from typing import Any, get_args


def refuse_flag(value: Any, annotation: Any) -> Any:
    """Return the value. Raises ValueError for true or false where a number is wanted."""
    if isinstance(value, bool):
        kinds = _kinds(annotation)
        if kinds & {int, float} and bool not in kinds:
            raise ValueError(f"a number is wanted here, not {str(value).lower()}")
    return value


def _kinds(annotation: Any) -> set[Any]:
    """Return the types of a union, also where something is annotated."""
    inner = [each for each in get_args(annotation) if not isinstance(each, str)]
    return {annotation}.union(*map(_kinds, inner)) if inner else {annotation}
