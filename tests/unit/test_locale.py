"""Every string a person reads: said in both languages, with the fields it is given, and in use."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from string import Formatter

import pytest

from bot.core.investigation.causes import record_causes
from bot.domain.access import Role
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.risk import Tier
from bot.locale import LANGUAGES, MissingTextError, Texts
from tests.architecture.source import Source, sources
from tools.catalog import ALL
from tools.world import Severity

EN = Texts("en")
KEYS = EN.keys()
SAYING = {"say", "raw"}
Doors = dict[str, set[tuple[int, str]]]  # function: position and name of its key
Function = ast.FunctionDef | ast.AsyncFunctionDef


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def pattern(text: ast.JoinedStr) -> str:
    """Return an f-string as a regular expression: whatever is filled in is one word."""
    parts = (
        re.escape(str(p.value)) if isinstance(p, ast.Constant) else r"\w+" for p in text.values
    )
    return "".join(parts)


def choices(node: ast.expr) -> Iterator[ast.expr]:
    """Yield both sides of a choice, or the expression itself."""
    if isinstance(node, ast.IfExp):
        yield from choices(node.body)
        yield from choices(node.orelse)
    else:
        yield node


def arguments(call: ast.Call, position: int, name: str) -> Iterator[ast.expr]:
    """Yield what a call passes for one parameter."""
    if len(call.args) > position:
        yield from choices(call.args[position])
    for keyword in call.keywords:
        if keyword.arg == name:
            yield from choices(keyword.value)


def assigned(function: Function, name: str) -> Iterator[ast.expr]:
    """Yield what a function assigns to a variable of its own."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == name for target in node.targets
        ):
            yield from choices(node.value)


def called(call: ast.Call) -> str:
    target = call.func
    return target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")


def is_key(name: str, calls: list[ast.Call], doors: Doors) -> bool:
    """Say whether one of the calls passes the variable `name` through a door."""
    return any(
        isinstance(node, ast.Name) and node.id == name
        for call in calls
        for position, keyword in doors.get(called(call), ())
        for node in arguments(call, position, keyword)
    )


@cache
def said() -> tuple[tuple[Source, ast.Call, ast.expr], ...]:
    """Return every expression that the bot uses as a key of a text.

    A function that hands a parameter of its own on as the key is a door as well, so that
    `self.whisper(click, "slack.failed")` counts like `texts.say("slack.failed")`.
    """
    doors: Doors = defaultdict(set)
    doors |= {name: {(0, "key")} for name in SAYING}
    bodies = [
        (source, function, [n for n in ast.walk(function) if isinstance(n, ast.Call)])
        for source in sources("bot")
        for function in source.nodes
        if isinstance(function, Function)
    ]
    found = True
    while found:
        found = False
        for _, function, calls in bodies:
            names = [a.arg for a in function.args.posonlyargs + function.args.args]
            own = names[:1] == ["self"]
            for index, name in enumerate(names):
                door = (index - own, name)
                new = function.name not in SAYING and door not in doors[function.name]
                if new and is_key(name, calls, doors):
                    doors[function.name].add(door)
                    found = True
    return tuple(
        (source, call, value)
        for source, function, calls in bodies
        for call in calls
        for position, name in doors.get(called(call), ())
        for node in arguments(call, position, name)
        for value in (assigned(function, node.id) if isinstance(node, ast.Name) else (node,))
    )


def literals() -> Iterator[tuple[str, str, ast.Call]]:
    for source, call, node in said():
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield f"{source.path}:{node.lineno}", node.value, call


def patterns() -> set[str]:
    return {pattern(node) for _, _, node in said() if isinstance(node, ast.JoinedStr)}


def test_both_languages_hold_the_same_keys_with_the_same_fields() -> None:
    tables = {}
    for language in LANGUAGES:
        texts = Texts(language)
        tables[language] = {key: fields(texts.raw(key)) for key in sorted(texts.keys())}
    assert tables["zh"] == tables["en"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language: str) -> None:
    texts = Texts(language)
    assert [key for key in sorted(texts.keys()) if not texts.raw(key).strip()] == []


def test_every_key_that_is_said_exists() -> None:
    dotted = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+")
    found = list(literals())
    assert len(found) > 150  # the search itself works
    assert [(w, k) for w, k, _ in found if dotted.fullmatch(k) and k not in KEYS] == []


def test_every_family_of_keys_that_is_said_has_members() -> None:
    empty = [p for p in patterns() if "\\." in p and not any(re.fullmatch(p, k) for k in KEYS)]
    assert empty == []


def test_every_field_of_a_text_is_given_where_it_is_said() -> None:
    missing = []
    for where, key, call in literals():
        given = {keyword.arg for keyword in call.keywords}
        if called(call) == "say" and None not in given and key in KEYS:
            missing += [(where, key, f) for f in fields(EN.raw(key)) - given]
    assert missing == []


def test_no_text_is_left_over() -> None:
    constants = {
        node.value
        for source in sources("bot")
        for node in source.nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    families = patterns()
    spoken = {k for k in KEYS if k in constants or any(re.fullmatch(p, k) for p in families)}
    assert {k for k in KEYS - spoken if not k.startswith("tool.")} == set()


def test_every_tool_has_a_name_that_people_read() -> None:
    named = {key.removeprefix("tool.") for key in KEYS if key.startswith("tool.")}
    assert named == {tool.name for tool in (*ALL, record_causes)}


@pytest.mark.parametrize(
    ("prefix", "values"),
    [
        ("plan.status.", PlanStatus),
        ("digest.status_", PlanStatus),
        ("slack.tier.", Tier),
        ("slack.severity.", Severity),
        ("slack.role.", Role),
    ],
)
def test_every_value_of_an_enumeration_has_its_word(prefix: str, values: type[StrEnum]) -> None:
    words = {key.removeprefix(prefix) for key in KEYS if key.startswith(prefix)}
    assert words == {value.value for value in values}


def test_an_unknown_key_or_a_missing_field_is_named() -> None:
    with pytest.raises(MissingTextError, match=r"no text 'plan\.nowhere' in locale 'en'"):
        EN.say("plan.nowhere")
    key = next(key for key in sorted(KEYS) if fields(EN.raw(key)))
    with pytest.raises(MissingTextError, match=re.escape(f"text {key!r} needs the field")):
        EN.say(key)


def test_a_language_we_do_not_speak_is_refused_with_those_we_do() -> None:
    with pytest.raises(ValueError, match="no locale 'fr'; known: en, zh"):
        Texts("fr")
