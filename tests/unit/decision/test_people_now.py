"""Who somebody is now, and what follows where nobody can say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.remediation.guarding.people import PeopleNow
from bot.domain.ids import UserId
from bot.domain.plans.guards import Answerer
from tests.fakes.decision import ANN, INCIDENTS, RAY, VIV, FakeDirectory, Production
from tools.world import Catalogue

STRANGER = UserId("UNOBODY")


def people(world: Production, directory: FakeDirectory) -> PeopleNow:
    return PeopleNow(directory, lambda: Catalogue({}, {}), lambda: world.access)


@pytest.mark.parametrize("how", ["identity", "remembered"])
async def test_a_stranger_is_unknown_and_whoever_cannot_be_asked_about_is_unsure(
    world: Production, how: str
) -> None:
    directory = FakeDirectory()
    look = getattr(people(world, directory), how)
    known, stranger = await look(ANN), await look(STRANGER)
    assert known.person is not None
    assert (known.person.id, known.unsure) == (ANN, "")
    assert (stranger.person, stranger.unsure) == (None, "")
    directory.down = True
    found = await look(ANN)
    assert found.person is None
    assert "does not answer" in found.unsure


async def test_who_pulls_a_brake_need_not_be_confirmed_and_who_answers_must(
    world: Production,
) -> None:
    directory = FakeDirectory()
    directory.unconfirmed = True
    asked = people(world, directory)
    assert (await asked.remembered(ANN)).person is not None
    assert (await asked.identity(ANN)).person is None


async def test_what_nobody_can_confirm_is_told_apart_from_what_is_not_allowed(
    world: Production,
) -> None:
    directory = FakeDirectory()
    asked = people(world, directory)
    plan = (await world.record(await world.planned("rollback"))).plan

    async def answers(user: UserId) -> Answerer:
        return asked.may_answer(await asked.identity(user), user, plan, "plan.approve")

    assert await answers(ANN) == Answerer(ANN, True)
    for user in (VIV, RAY):  # one has no such right, the other not the role of the tier
        refused = await answers(user)
        assert (refused.allowed, refused.confirmed) == (False, True)
        assert refused.why
    gone = await answers(STRANGER)
    assert (gone.allowed, gone.confirmed) == (False, True)
    assert gone.why == "the directory does not know 'UNOBODY'"
    directory.down = True
    unsure = await answers(ANN)
    assert (unsure.allowed, unsure.confirmed) == (False, False)
    assert unsure.why.startswith("who UANN is now cannot be confirmed: ")


async def test_a_right_that_no_tier_raises_is_judged_for_one_service(world: Production) -> None:
    asked = people(world, FakeDirectory())
    who = await asked.identity(ANN)
    allowed = asked.may(who, ANN, "plan.approve", INCIDENTS)
    assert (allowed.user, allowed.allowed, allowed.confirmed) == (ANN, True, True)
    guest = replace(who, person=replace(who.person, guest=True)) if who.person else who
    assert not asked.may(guest, ANN, "plan.approve", INCIDENTS).allowed
    assert not asked.may(replace(who, person=None), ANN, "plan.approve", INCIDENTS).allowed
