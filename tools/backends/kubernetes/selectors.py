"""Label selectors as the API's query string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_OPERATORS = {"In": "in", "NotIn": "notin"}


def equality(labels: Mapping[str, str] | None) -> str:
    """Return `a=b,c=d`."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def selector_of(workload: Mapping[str, Any]) -> str:
    """Return the selector of a workload object, match expressions included."""
    selector = (workload.get("spec") or {}).get("selector") or {}
    parts = [equality(selector.get("matchLabels"))]
    for each in selector.get("matchExpressions") or ():
        key, operator = each["key"], each["operator"]
        if operator in _OPERATORS:
            parts.append(f"{key} {_OPERATORS[operator]} ({','.join(each.get('values') or ())})")
        elif operator == "Exists":
            parts.append(key)
        elif operator == "DoesNotExist":
            parts.append(f"!{key}")
    return ",".join(part for part in parts if part)
