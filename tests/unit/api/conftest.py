"""The API over a real store, asked through httpx without a socket."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from bot.api.app import build_api
from bot.api.deps import ApiDeps, Pulse
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.detection.triage import Triage
from bot.core.ports import ApiToken, Person
from bot.core.remediation.answers.approvals import Approvals, Said
from bot.core.remediation.answers.switches import Switch, Switched, Switches
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import AccessConfig, Role, Scope
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.plans.plan import PlanStatus
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from bot.telemetry import SelfMetrics
from tests.fakes.clock import FakeClock
from tests.fakes.decision import FakeDirectory
from tests.fixtures.alerting import an_alert_desk
from tests.fixtures.incidents import an_incident_desk
from tests.fixtures.nouns import NOW
from tools.ports import Health
from tools.world import Catalogue, MetricName, MetricSpec, ServiceName, ServiceSpec

ALICE, DAVE, GUEST = "U0ALICE01", "U0DAVE001", "U0GUEST01"
PEOPLE = (
    Person(UserId(ALICE), "alice", "alice@example.com", groups=("S0ONCALL1",)),
    Person(UserId(DAVE), "dave", "dave@example.com"),
    Person(UserId(GUEST), "guest", guest=True),
)
SPEC = MetricSpec(MetricName("order_latency_p99"), "trading", "up", "s", "Latency")
SERVICES = {
    ServiceName(n): ServiceSpec(ServiceName(n), "trading", ()) for n in ("order-api", "wallet")
}
CATALOGUE = Catalogue({SPEC.name: SPEC}, SERVICES)
ACCESS = AccessConfig(
    holders={Role.VIEWER: ("*",), Role.ADMIN: ("S0ONCALL1",)},
    services={"wallet": {Role.VIEWER: ("S0WALLET",), Role.ADMIN: ()}},
)


class Desk(Approvals):
    """Plan answers that remember what they were asked, and say what they are told to say."""

    __setattr__ = object.__setattr__  # the real one is frozen

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.says = Said(True, PlanStatus.APPROVED, "approved")

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said:
        self.asked.append(("approve", plan_id, user, channel, digest))
        return self.says

    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId, digest: str = ""
    ) -> Said:
        self.asked.append(("break_glass", plan_id, user, reason, channel, digest))
        return self.says

    async def reject(self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId) -> Said:
        self.asked.append(("reject", plan_id, user, reason, channel))
        return self.says


class Brake(Switches):
    """A kill switch from memory that obeys everybody."""

    __setattr__ = object.__setattr__  # the real one is frozen

    def __init__(self) -> None:
        self.switch = Switch()

    async def halt(
        self, user: UserId, reason: str, channel: ChannelId, right: str = ""
    ) -> Switched:
        self.switch = Switch(reason, user, NOW)
        return Switched(True)

    async def resume(
        self, user: UserId, channel: ChannelId, reason: str = "", right: str = ""
    ) -> Switched:
        self.switch = Switch()
        return Switched(True)

    async def now(self) -> tuple[Switch, Switch]:
        return self.switch, Switch()


@dataclass
class World:
    """Everything a test of the API touches."""

    store: SqlStore
    client: httpx.AsyncClient
    deps: ApiDeps
    desk: Desk
    tokens: dict[tuple[str, Scope], str] = field(default_factory=dict)
    healths: list[Health] = field(default_factory=list)
    pulse: list[Pulse] = field(default_factory=lambda: [Pulse(ready=True)])

    def as_(self, user: str, scope: Scope = Scope.READ) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[user, scope]}"}


@pytest.fixture
async def api(store: SqlStore) -> AsyncIterator[World]:
    clock, metrics, desk = FakeClock(NOW + timedelta(minutes=1)), SelfMetrics("0.1.0"), Desk()
    world: World

    async def backends() -> list[Health]:
        return world.healths

    async def scrape() -> None:
        await metrics.collect(store, clock, world.healths)

    deps = ApiDeps(
        store=store, clock=clock, catalogue=lambda: CATALOGUE, access=lambda: ACCESS,
        registry=metrics.registry, pulse=lambda: world.pulse[0],
        directory=FakeDirectory(*PEOPLE), plans=desk,
        switches=Brake(), triage=Triage(store, clock),
        incidents=an_incident_desk(store, clock, lambda: CATALOGUE),
        baselines=BaselineImport(store, clock, lambda: CATALOGUE),
        deployments=Deployments(store, clock, lambda: CATALOGUE, Redactor()),
        alerts=an_alert_desk(store, clock, lambda: CATALOGUE), backends=backends,
        before_scrape=scrape,
    )  # fmt: skip
    transport = httpx.ASGITransport(build_api(deps, most_bytes=50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        world = World(store, client, deps, desk)
        async with store.begin() as tx:
            for user, scope in itertools.product((ALICE, DAVE, GUEST, "U0GONE001"), Scope):
                secret = world.tokens[user, scope] = f"sre_{user}_{scope}"
                owner, until = UserId(user), NOW + timedelta(days=90)
                token = ApiToken(f"TOK-{user}-{scope}", owner, "test", scope, NOW, until)
                await tx.tokens.add(token, sha256_of(secret))
        yield world
