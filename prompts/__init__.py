"""What Claude is told: Markdown templates and a strict renderer.

A template is Markdown with `{{ name }}` fields. A field that is not given, or given and not
used, is an error, so a prompt never goes out with a hole in it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class PromptError(ValueError):
    """A template does not exist or its fields do not match."""


@cache
def _template(name: str) -> str:
    path = _HERE / f"{name}.md"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in _HERE.glob("*.md")))
        raise PromptError(f"no prompt {name!r}; known: {known}")
    return path.read_text(encoding="utf-8")


def render(name: str, **fields: str) -> str:
    """Return a prompt with its fields filled in once; values are not rendered again."""
    template = _template(name)
    wanted = set(_FIELD.findall(template))
    if missing := wanted - fields.keys():
        raise PromptError(f"prompt {name!r} needs {sorted(missing)}")
    if extra := fields.keys() - wanted:
        raise PromptError(f"prompt {name!r} has no field {sorted(extra)}")
    return _FIELD.sub(lambda match: fields[match[1]], template)
