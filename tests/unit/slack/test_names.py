"""The names of Slack, the table of listeners, the rights and the manifest are one list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.domain.access import RIGHTS
from bot.slack.ids import ActionId, Command, EventType, FormId, ShortcutId, Subcommand
from bot.slack.interactions import ACTION, COMMAND, EVENT, SHORTCUT, VIEW
from bot.slack.listeners.table import LISTENERS

BUTTONS = ("plan.", "anomaly.", "answer.", "evidence.", "finding.", "incident.", "postmortem.")


def test_every_name_has_exactly_one_listener() -> None:
    assert LISTENERS.names(ACTION) == set(ActionId)
    assert LISTENERS.names(VIEW) == set(FormId)
    assert LISTENERS.names(COMMAND) == {*Command, *(f"/sre {word}" for word in Subcommand)}
    assert LISTENERS.names(SHORTCUT) == set(ShortcutId)
    assert LISTENERS.names(EVENT) == set(EventType)


def test_every_button_is_a_right_and_every_right_of_a_button_a_button() -> None:
    rights = {right for right in RIGHTS if right.startswith(BUTTONS)}
    assert {*ActionId, *FormId} == rights


def test_every_listener_needs_a_right_that_somebody_can_hold() -> None:
    rows = [
        row for kind in (EVENT, COMMAND, SHORTCUT, ACTION, VIEW) for row in LISTENERS.rows(kind)
    ]
    free = [row.name for row in rows if row.needed is None]
    assert free == [EventType.ASSISTANT_CONTEXT, Command.SRE]  # unheard, and an unknown word
    assert {row.needed for row in rows} - {None} <= set(RIGHTS)


def test_every_right_is_asked_at_some_door() -> None:
    rows = [
        row for kind in (EVENT, COMMAND, SHORTCUT, ACTION, VIEW) for row in LISTENERS.rows(kind)
    ]
    table = Path("bot/domain/access.py")
    code = "".join(file.read_text() for file in Path("bot").rglob("*.py") if file != table)
    unasked = set(RIGHTS) - {row.needed for row in rows}
    assert {right for right in unasked if f'"{right}"' not in code} == set()


def test_commands_and_shortcuts_are_rights() -> None:
    assert {f"sre.{word}" for word in Subcommand} <= set(RIGHTS)
    assert {f"command.{c.removeprefix('/')}" for c in Command if c is not Command.SRE} <= set(
        RIGHTS
    )
    assert set(ShortcutId) <= set(RIGHTS)


def test_the_manifest_offers_what_the_room_listens_to() -> None:
    manifest: dict[str, Any] = yaml.safe_load(Path("slack-manifest.yaml").read_text("utf-8"))
    features = manifest["features"]
    assert {c["command"] for c in features["slash_commands"]} == set(Command)
    assert {s["callback_id"] for s in features["shortcuts"]} == set(ShortcutId)


def test_the_hint_of_a_command_names_only_what_exists() -> None:
    manifest: dict[str, Any] = yaml.safe_load(Path("slack-manifest.yaml").read_text("utf-8"))
    commands = {c["command"]: c for c in manifest["features"]["slash_commands"]}
    words = [word.split()[0] for word in commands["/sre"]["usage_hint"].split("|")]
    assert words
    assert set(words) <= set(map(str, Subcommand))
