"""Slack, in the two steps it is built in: its people before core, its room over core.

people_of(config, …) ──> People ──> core ──> room_over(people, SlackDeps)
                                        └ without Slack: nobody, and no room
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.composition.no_slack import NoSlack
from bot.core.ports import ChannelHistory, Channels, Clock, Directory, Reply, Store
from bot.domain.access import AccessConfig
from bot.domain.ids import ChannelId
from bot.domain.place import Place
from bot.domain.run import Running
from bot.locale import Texts
from bot.slack.app import SlackRoom, build_room
from bot.slack.config import SlackConfig
from bot.slack.deps import SlackDeps
from bot.slack.replies import SlackReplies
from bot.slack.workspace import Workspace, groups_of, open_workspace
from tools.world import ServiceSpec


@dataclass(frozen=True, slots=True)
class SlackSide:
    """What the room is built of, beside core."""

    workspace: Workspace
    replies: SlackReplies


@dataclass(frozen=True, slots=True)
class People:
    """Who people are, what they wrote, which channel is whose, and where they read answers."""

    directory: Directory
    history: ChannelHistory
    channels: Channels
    reply_for: Callable[[Running], Reply]
    slack: SlackSide | None  # None: not configured

    def place_of(self, service: ServiceSpec | None) -> Place:
        """Return where a service's cards are posted."""
        return Place(self.channels.of_service(service))

    def texts_of(self, channel: ChannelId) -> Texts:
        """Return the texts in a channel's language."""
        return Texts(self.channels.voice_of(channel).locale)


def people_of(
    slack: SlackConfig | None, access: AccessConfig, store: Store, clock: Clock
) -> People:
    """Return Slack's people and channels, or nobody; nothing is connected."""
    if slack is None:
        nobody = NoSlack()
        return People(nobody, nobody, nobody, nobody.reply_for, None)
    named = groups_of(access)
    workspace = open_workspace(slack, clock, lambda: named)
    replies = SlackReplies(workspace, store, clock)
    return People(
        workspace.directory,
        workspace.history,
        workspace.channels,
        replies.of_run,
        SlackSide(workspace, replies),
    )


def room_over(people: People, deps: SlackDeps) -> SlackRoom | None:
    """Return the room, None without Slack; nothing is connected."""
    if people.slack is None:
        return None
    return build_room(people.slack.workspace, deps, people.slack.replies)
