"""What the sandbox remembers between runs: its clock, the start of history, the stories told.

STATE/world.json     this file          STATE/faults.json   fault intervals
STATE/cluster.json   Kubernetes objects STATE/slack.db      the local Slack
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.clock import Clock
from sandbox.world.files import DEFAULT_WORLD, load_scenario
from sandbox.world.scenario import Story
from sandbox.world.world import origin_before


class StateError(Exception):
    """The state directory does not fit what was asked; the message says what to do."""


@dataclass
class State:
    """The state directory of one sandbox."""

    directory: Path
    clock: Clock
    origin: float
    world: str = DEFAULT_WORLD  # name of its file
    stories: list[Story] = field(default_factory=list)

    @property
    def faults_path(self) -> Path:
        """Where fault intervals are kept."""
        return self.directory / "faults.json"

    @property
    def cluster_path(self) -> Path:
        """Where the cluster's objects are kept."""
        return self.directory / "cluster.json"

    @property
    def slack_path(self) -> Path:
        """Where the chat is kept."""
        return self.directory / "slack.db"

    def save(self) -> None:
        """Write world.json."""
        self.directory.mkdir(parents=True, exist_ok=True)
        stored: dict[str, Any] = {
            "clock": self.clock.env(),
            "origin": self.origin,
            "world": self.world,
            "stories": [[story.scenario.name, story.begins_at] for story in self.stories],
        }
        draft = self.directory / "world.tmp"
        draft.write_text(json.dumps(stored, indent=1), encoding="utf-8")
        draft.replace(self.directory / "world.json")


def open_state(directory: Path, speed: float, world: str = DEFAULT_WORLD) -> State:
    """Continue what the directory holds, or begin a world at the present moment."""
    path = directory / "world.json"
    if not path.exists():
        clock = Clock(speed=speed)
        state = State(directory, clock, origin_before(clock.now()), world)
        state.save()
        return state
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        clock = Clock.shared(stored["clock"])
        before = str(stored.get("world", DEFAULT_WORLD))  # none was written before there were two
        origin = float(stored["origin"])
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read ({error}); start anew with --fresh"
        raise StateError(msg) from error
    if before != world:
        msg = (
            f"{directory} holds the world {before!r}, not {world!r}; "
            f"pass --world {before}, --fresh, or another --state"
        )
        raise StateError(msg)
    try:
        told = [(load_scenario(name, world), float(at)) for name, at in stored["stories"]]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read ({error}); start anew with --fresh"
        raise StateError(msg) from error
    if clock.speed != speed:
        msg = (
            f"{directory} was begun at --speed {clock.speed:g}, not {speed:g}: time would jump; "
            f"pass --speed {clock.speed:g}, --fresh, or another --state"
        )
        raise StateError(msg)
    stories = [Story(scenario, at) for scenario, at in told]
    return State(directory, clock, origin, world, stories)


def forget(directory: Path) -> None:
    """Delete what a sandbox left in the directory, and nothing else."""
    names = ("world.json", "faults.json", "cluster.json", "bot.db", "bot.anchor")
    for name in (*names, "slack.db", "slack.db-wal", "slack.db-shm", "bot.db-wal", "bot.db-shm"):
        (directory / name).unlink(missing_ok=True)
