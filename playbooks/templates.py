"""Filling `{{ name }}` into text leaves of a playbook.

Only variable look-ups exist: no filters, calls, attributes, loops or conditions. A variable that
is not given is an error, values are capped, and in a URL they can change neither scheme nor host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

LONGEST_VALUE = 253  # characters, the length of a DNS name
LONGEST_TEXT = 4000
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^/{}?#@\s]+(?:[/?#]|$)", re.IGNORECASE)


class TemplateError(ValueError):
    """A template or a value that must not be used; the message says why."""


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(  # text for Kubernetes, not for a browser
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
    )


def variables(text: str) -> frozenset[str]:
    """Return the variables of a template. Raises TemplateError for anything but look-ups."""
    from jinja2 import TemplateSyntaxError, nodes

    if len(text) > LONGEST_TEXT:
        raise TemplateError(f"a text has at most {LONGEST_TEXT} characters, this has {len(text)}")
    try:
        tree = _environment().parse(text)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{text!r} is no template: {error.message}") from error
    allowed = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name)
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, allowed):
            raise TemplateError(
                f"{text!r}: only {{{{ name }}}} is allowed, not {type(node).__name__.lower()}"
            )
    return frozenset(node.name for node in tree.find_all(nodes.Name))


def check_url(text: str) -> None:
    """Raise TemplateError unless scheme and host stand in the playbook itself."""
    if "{{" in text and not _URL.match(text):
        raise TemplateError(
            f"{text!r}: scheme and host must be written out; a variable may stand in the path only"
        )


def render(text: str, values: Mapping[str, str], *, url: bool = False) -> str:
    """Fill one text leaf."""
    needed = variables(text)
    missing = sorted(needed - values.keys())
    if missing:
        known = ", ".join(sorted(values)) or "none"
        raise TemplateError(f"{text!r} needs {missing[0]!r}, which is not given; known: {known}")
    if not needed:
        return text
    if url:
        check_url(text)
    chosen = {name: _value(name, values[name]) for name in needed}
    if url:
        chosen = {name: _in_url(name, value) for name, value in chosen.items()}
    return str(_environment().from_string(text).render(chosen))


def _value(name: str, value: str) -> str:
    if len(value) > LONGEST_VALUE:
        raise TemplateError(f"{name} has {len(value)} characters; at most {LONGEST_VALUE} may be")
    if any(not character.isprintable() for character in value):
        raise TemplateError(f"{name} {value!r} holds characters that cannot be printed")
    if "{{" in value or "{%" in value:
        raise TemplateError(f"{name} {value!r} holds template marks; a value is plain text")
    return value


def _in_url(name: str, value: str) -> str:
    if value in {".", ".."}:
        raise TemplateError(f"{name} {value!r} would change the path of the URL")
    return quote(value, safe="")


def fill(value: Any, values: Mapping[str, str], key: str = "") -> Any:
    """Fill every text leaf of plain JSON; names and other values stay as they are."""
    if isinstance(value, str):
        return render(value, values, url=key.endswith("url"))
    if isinstance(value, Mapping):
        return {name: fill(each, values, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [fill(each, values, key) for each in value]
    return value


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield (name of the nearest key, text) of every text leaf."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from leaves(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from leaves(each, key)
