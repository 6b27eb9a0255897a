"""A bot without Slack: the same small ports, which know nobody and show nothing."""

from __future__ import annotations

import pytest

from bot.composition.no_slack import NoSlack, TokenOwners
from bot.composition.slack import people_of
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import TERMINAL, Place
from bot.domain.question import Voice
from bot.settings import load_settings, slack_config
from tests.fakes.decision import Production
from tests.fixtures.nouns import ALICE, NOW, a_run


async def test_nobody_is_known_so_nobody_may_answer_a_plan(world: Production) -> None:
    world.directory = NoSlack()  # type: ignore[assignment]
    bot = world.replica("two")
    assert (await bot.gate.people.identity(ALICE)).person is None
    assert (await bot.gate.people.remembered(ALICE)).person is None
    plan = await world.planned("rollback")
    said = await bot.approvals.approve(plan, ALICE, ChannelId("C1"))
    assert (said.accepted, said.refused_by) == (False, "access")


async def test_there_is_no_channel_but_the_terminal_and_nothing_was_written_there() -> None:
    nobody = NoSlack()
    assert nobody.of_service(None) == TERMINAL.channel
    assert nobody.known("#incidents") == "#incidents"
    assert nobody.voice_of(TERMINAL.channel) == Voice("en", "UTC")
    assert await nobody.messages(TERMINAL, NOW, NOW) == []


async def test_an_answer_that_nobody_watches_is_made_all_the_same() -> None:
    reply = NoSlack().reply_for(a_run())
    await reply.say("all well")
    await reply.fail(a_run(), "sorry")


async def test_the_owner_of_a_token_is_a_full_member_without_an_e_mail() -> None:
    owner = await TokenOwners().person(UserId("U1"))
    assert await TokenOwners().confirm([owner.id]) == {owner.id: owner}
    assert (owner.id, owner.guest, owner.external, owner.groups) == ("U1", False, False, ())


@pytest.mark.parametrize("token", ["", "xoxb-1"])
def test_the_composition_chooses_slack_or_nobody(world: Production, token: str) -> None:
    tokens = {"SLACK_BOT_TOKEN": token, "SLACK_APP_TOKEN": "xapp-1"} if token else {}
    settings = load_settings(tokens)
    slack = slack_config(settings, "test:1") if token else None
    people = people_of(slack, settings.access, world.store, settings.clock)
    assert (people.slack is not None) == bool(token)
    place = Place(ChannelId("#incidents")) if token else TERMINAL
    assert people.place_of(None) == place
    assert people.texts_of(place.channel).say("slack.working")
