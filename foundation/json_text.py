"""JSON of others, read so that nothing but ValueError says that it is none.

A hundred thousand brackets are no answer either, but Python's reader says RecursionError of them.
"""

from __future__ import annotations

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Return what a JSON text says. Raises ValueError for what is none, or lies too deep."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep to be read") from error
