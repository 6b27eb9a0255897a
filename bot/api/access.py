"""Who is asking: a bearer token belongs to one Slack user, and rights are that person's.

Authorization: Bearer TOKEN ──sha256──> tx.tokens ──> user ──directory──> Person ──> decide
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bot.api.deps import ApiDeps, Deps
from bot.api.problems import ProblemError
from bot.core.ports import ApiToken, Person, Transaction
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import SCOPES, Scope, decide
from bot.domain.audit import Event
from tools.errors import BackendError, NotFoundError

BRAKES = frozenset({"/api/v1/halt"})  # taken however often it is asked
HOW_TO_GET_ONE = "create one with `python -m bot token create USER_ID --scope SCOPE`"
T = TypeVar("T")
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

    async def find(
        self,
        noun: str,
        wanted: str,
        read: Callable[[Transaction], Awaitable[T]],
        service_of: Callable[[T], str],
    ) -> T:
        """Return what there is by an id, if this person may see it.

        What there is not and what they may not see are answered alike: nobody finds out ids by
        asking, nor is told of the nearest one.
        """
        nothing = ProblemError(404, f"there is no {noun} {wanted!r} that you may see")
        try:
            async with self.deps.store.begin() as tx:
                found = await read(tx)
        except NotFoundError as error:
            raise nothing from error
        service = service_of(found)
        if not self.may_read(service):
            await deny(self, "service.read", wanted, f"no right to read {service}")
            raise nothing
        return found

    def is_called(self, name: str) -> bool:
        """Say whether a body's `approver` or `rejector` means this person."""
        said = name.strip()
        mail = self.person.email
        return said == self.person.id or (bool(mail) and said.lower() == mail.lower())


async def _caller(
    request: Request,
    deps: Deps,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)],
) -> Caller:
    if bearer is None:
        raise ProblemError(
            401, f"send 'Authorization: Bearer TOKEN'; {HOW_TO_GET_ONE} if you have none"
        )
    async with deps.store.begin() as tx:
        token = await tx.tokens.find(sha256_of(bearer.credentials))
        wall = await deps.steady.now(tx)  # a clock that is set back revives no token
    if token is None:
        raise ProblemError(401, f"this token is unknown or revoked; {HOW_TO_GET_ONE}")
    if token.expires_at <= wall:
        raise ProblemError(
            401, f"this token expired on {token.expires_at:%Y-%m-%d}; {HOW_TO_GET_ONE}"
        )
    if request.url.path not in BRAKES:
        _within_rates(deps, token)
    try:
        person = await deps.directory.person(token.user)
    except NotFoundError as error:
        raise ProblemError(
            403, f"this token belongs to {token.user!r}, whom Slack does not know; revoke it"
        ) from error
    return Caller(token, person, deps)


def _within_rates(deps: ApiDeps, token: ApiToken) -> None:
    rates, now = deps.rates, deps.clock.monotonic()
    whose = f"the tokens of {token.user}"
    for name, limit, key in (
        ("this token", rates.per_token, token.id),
        (whose, rates.per_person, token.user),
    ):
        if seconds := limit.wait(key, now):
            wait = math.ceil(seconds)
            raise ProblemError(
                429, f"{name} asked more often than is taken in a minute; wait {wait} s", wait
            )


def needs(right: str) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency that lets only people with a right in, by a token for that purpose.

    Refusals are audited.
    """
    (scope,) = (each for each, rights in SCOPES.items() if right in rights)

    async def allowed(caller: Annotated[Caller, Depends(_caller)], request: Request) -> Caller:
        if caller.token.scope is not scope:
            why = f"the token is for {caller.token.scope.value}, this takes one for {scope.value}"
            await deny(caller, right, request.url.path, why)
            raise ProblemError(403, f"{why}: `python -m bot token create --scope {scope.value}`")
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


async def reader(
    request: Request,
    deps: Deps,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)],
) -> Caller | None:
    """Return who may read the status, None for everybody else: they are told less, not refused."""
    try:
        caller = await _caller(request, deps, bearer)
    except (ProblemError, BackendError):
        return None
    allowed = decide(caller.person, "api.status", deps.access()).allowed
    return caller if allowed and caller.token.scope is Scope.READ else None
