"""Who somebody is now, and what that lets them do.

    identity     read anew, past every cache: where something follows from who they are
    remembered   as they were known a few minutes ago: enough for who pulls a brake
    may_answer   has the right and the role of the plan's tier, for every service it touches
    may          has a right that no tier raises

The matrix of rights is `bot.domain.access`; here it is asked of a person, at a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot.core.ports import Directory, Person, PlanRecord
from bot.core.remediation.guarding.plan_effects import touched_by
from bot.domain.access import AccessConfig, decide, has_role
from bot.domain.ids import UserId
from bot.domain.plans.approval import answers_of
from bot.domain.plans.guards import Answerer
from bot.domain.plans.plan import Plan
from bot.domain.plans.policy import role_for
from tools.errors import BackendError, NotFoundError
from tools.world import Catalogue


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is now."""

    person: Person | None  # None: the directory does not know them
    unsure: str = ""  # why nobody could be asked; then `person` says nothing


@dataclass(frozen=True, slots=True)
class PeopleNow:
    """Asks the directory who people are, and the matrix what they may."""

    directory: Directory
    catalogue: Callable[[], Catalogue]
    access: Callable[[], AccessConfig]

    async def identity(self, user: UserId) -> Identity:
        """Return who somebody is, read anew."""
        return (await self._identities([user]))[user]

    async def remembered(self, user: UserId) -> Identity:
        """Return who somebody was a few minutes ago."""
        try:
            return Identity(await self.directory.person(user))
        except NotFoundError:
            return Identity(None)
        except BackendError as error:
            return Identity(None, str(error))

    async def who_said_yes(self, record: PlanRecord) -> tuple[Answerer, ...]:
        """Say of everybody whose yes counts who they are now."""
        users = [yes.by for yes in answers_of(record.approval)]
        found = await self._identities(tuple(dict.fromkeys(users)))
        return tuple(
            self.may_answer(found[user], user, record.plan, "plan.approve") for user in users
        )

    def may_answer(self, who: Identity, user: UserId, plan: Plan, right: str) -> Answerer:
        """Say whether somebody may answer a plan; judged where its card lives."""
        person = who.person
        if person is None:
            return _nobody(who, user)
        config, channel = self.access(), plan.place.channel
        for service in self._services(plan):
            for each in (
                decide(person, right, config, channel, service),
                has_role(person, role_for(plan.tier), config, channel, service),
            ):
                if not each.allowed:
                    return Answerer(user, False, each.why)
        return Answerer(user, True)

    def may(
        self, who: Identity, user: UserId, right: str, channel: str, service: str = ""
    ) -> Answerer:
        """Say whether somebody has a right that no tier raises."""
        if who.person is None:
            return _nobody(who, user)
        found = decide(who.person, right, self.access(), channel, service)
        return Answerer(user, found.allowed, found.why)

    def _services(self, plan: Plan) -> tuple[str, ...]:
        catalogue = self.catalogue()
        touched = [spec.name for ref in touched_by(plan) for spec in catalogue.services_of(ref)]
        return tuple(dict.fromkeys([plan.service, *touched]))

    async def _identities(self, users: Collection[UserId]) -> Mapping[UserId, Identity]:
        try:
            found = await self.directory.confirm(users) if users else {}
        except BackendError as error:
            return {user: Identity(None, str(error)) for user in users}
        return {user: Identity(found.get(user)) for user in users}


def _nobody(who: Identity, user: UserId) -> Answerer:
    if who.unsure:
        why = f"who {user} is now cannot be confirmed: {who.unsure}"
        return Answerer(user, False, why, confirmed=False)
    return Answerer(user, False, f"the directory does not know {user!r}")
