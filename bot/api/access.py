"""Who is asking: a bearer token belongs to one Slack user, and rights are that person's.

Authorization: Bearer TOKEN ──sha256──> tx.tokens ──> user ──directory──> Person ──> decide
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bot.api.deps import ApiDeps, Deps
from bot.api.problems import ProblemError
from bot.core.ports import ApiToken, Person
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import decide
from bot.domain.audit import Event
from tools.errors import NotFoundError

HOW_TO_GET_ONE = "create one with `python -m bot token create USER_ID`"
_scheme = HTTPBearer(auto_error=False, description="A token of `python -m bot token create`")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, allowed to do what the route asks for."""

    token: ApiToken
    person: Person
    deps: ApiDeps

    def may_read(self, service: str) -> bool:
        """Say whether this person may see a service's figures."""
        return decide(self.person, "service.read", self.deps.access(), service=service).allowed

    async def must_read(self, service: str, subject: str) -> None:
        """Refuse, and write down, what is about a service this person may not see."""
        if not self.may_read(service):
            await deny(self, "service.read", subject, f"no right to read {service}")
            raise ProblemError(
                403, f"{self.person.id} may not read the service {service!r}; ask an admin"
            )

    def is_called(self, name: str) -> bool:
        """Say whether a body's `approver` or `rejector` means this person."""
        said = name.strip()
        mail = self.person.email
        return said == self.person.id or (bool(mail) and said.lower() == mail.lower())


async def _caller(
    deps: Deps, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]
) -> Caller:
    if bearer is None:
        raise ProblemError(
            401, f"send 'Authorization: Bearer TOKEN'; {HOW_TO_GET_ONE} if you have none"
        )
    async with deps.store.begin() as tx:
        token = await tx.tokens.find(sha256_of(bearer.credentials))
    if token is None:
        raise ProblemError(401, f"this token is unknown or revoked; {HOW_TO_GET_ONE}")
    try:
        person = await deps.directory.person(token.user)
    except NotFoundError as error:
        raise ProblemError(
            403, f"this token belongs to {token.user!r}, whom Slack does not know; revoke it"
        ) from error
    return Caller(token, person, deps)


def needs(right: str) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency that lets only people with a right in; refusals are audited."""

    async def allowed(caller: Annotated[Caller, Depends(_caller)], request: Request) -> Caller:
        decision = decide(caller.person, right, caller.deps.access())
        if decision.allowed:
            return caller
        await deny(caller, right, request.url.path, decision.why)
        raise ProblemError(
            403, f"{caller.person.id} may not do this ({right}): {decision.why}; ask an admin"
        )

    return allowed


async def deny(caller: Caller, right: str, subject: str, why: str) -> None:
    """Write a refusal into the audit."""
    async with caller.deps.store.begin() as tx:
        await tx.audit.append(
            Event(
                kind="access.denied",
                at=caller.deps.clock.now(),
                actor=caller.person.id,
                subject=subject,
                why=why,
                facts={"right": right, "door": "api", "token": caller.token.id},
            )
        )
