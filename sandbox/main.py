"""Joins the imitated outside: one world behind its backends, and a local Slack.

Clock ─┬─ FaultLog <── Cluster ── Kubernetes API
       └─ World (pure functions of both) ── Prometheus API, Loki API, Tempo API
"""

import errno
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sandbox.clock import Clock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.server import start_kubernetes
from sandbox.loki.lines import Logs
from sandbox.loki.server import LokiServer
from sandbox.prometheus.errors import BadDataError
from sandbox.prometheus.server import Metadata, PrometheusServer
from sandbox.slack.server import LIKE_SLACK, Timing, start_slack
from sandbox.slack.tenant import ONE_WORKSPACE, Tenant
from sandbox.state import State, forget, open_state
from sandbox.tempo.server import TempoServer
from sandbox.tempo.traces import Traces
from sandbox.world.faults import FaultLog
from sandbox.world.files import DEFAULT_WORLD, load_world
from sandbox.world.scenario import Scenario, ScenarioError, Story
from sandbox.world.usage import used
from sandbox.world.world import SEED, World

HOST = "127.0.0.1"
_STILL_FRESH_SECONDS = 900.0  # a story this young is continued rather than told again
T = TypeVar("T")


@dataclass(frozen=True)
class Ports:
    """Where each imitated service listens; 0 takes a free port."""

    slack: int = 18900
    model: int = 18901
    prometheus: int = 19090
    loki: int = 13100
    kubernetes: int = 16443
    tempo: int = 13200


class PortInUseError(Exception):
    """A port is taken; the message names it and the flag that changes it."""


class _Closable(Protocol):
    async def close(self) -> None:
        """Stop listening."""
        ...


@dataclass
class Sandbox:
    """A running sandbox."""

    clock: Clock
    world: World
    cluster: Cluster
    state: State
    page: str  # address of the local Slack
    env: dict[str, str]  # what the bot needs to find everything
    servers: list[_Closable] = field(default_factory=list)
    slack: Any = None  # the SlackServer, for tests
    kubernetes: Any = None
    model: Any = None  # the ModelServer when it was asked for

    def begin(self, scenario: Scenario, after_seconds: float | None = None) -> Story:
        """Begin a story, by default as long from now as the scenario says."""
        wait = scenario.start_after_seconds if after_seconds is None else after_seconds
        self.cluster.tick(self.clock.now())
        story = Story(scenario, self.clock.now() + wait)
        self.world.tell(story)
        self.state.stories = list(self.world.stories)
        self.state.save()
        return story

    async def start_story(self, name: str) -> dict[str, Any]:
        """Begin a story by name, for the admin path."""
        try:
            story = self.begin(self.world.blueprint.get_scenario(name))
        except ScenarioError as error:
            raise BadDataError(str(error)) from error
        return {"scenario": name, "begins_at": story.begins_at, "now": self.clock.now()}

    async def close(self) -> None:
        """Stop every server."""
        for server in reversed(self.servers):
            await server.close()


async def up(  # noqa: PLR0913 - all that whoever starts it may choose
    scenario: str | None = None,
    speed: float = 1.0,
    ports: Ports = Ports(),
    state_dir: Path = Path("var/sandbox"),
    *,
    after_seconds: float | None = None,
    fresh: bool = False,
    with_model: bool = False,
    timing: Timing = LIKE_SLACK,
    world_name: str = DEFAULT_WORLD,
    tenant: Tenant = ONE_WORKSPACE,
) -> Sandbox:
    """Start everything; without `scenario` continue the last story, or begin the first one."""
    blueprint = load_world(world_name)
    chosen = blueprint.get_scenario(scenario) if scenario is not None else None
    if fresh:
        forget(state_dir)
    state = open_state(state_dir, speed, world_name)
    faults = FaultLog(state.faults_path)
    cluster = Cluster(faults, state.clock.now(), path=state.cluster_path, blueprint=blueprint)
    world = World(state.clock, faults, cluster, origin=state.origin, blueprint=blueprint)
    world.resume(state.stories)
    cluster.drive_autoscalers(world.cpu_of_request)
    sandbox = Sandbox(state.clock, world, cluster, state, "", {})
    async with AsyncExitStack() as unless_all_listen:
        unless_all_listen.push_async_callback(sandbox.close)
        await _listen(sandbox, ports, timing, tenant, with_model=with_model)
        unless_all_listen.pop_all()
    if chosen is None and not _goes_on(world):
        chosen = blueprint.get_scenario(blueprint.first_story)
    if chosen is not None:
        sandbox.begin(chosen, after_seconds)
    return sandbox


def _goes_on(world: World) -> bool:
    """Whether the last story is young, not begun yet, or still hurts."""
    if not world.stories:
        return False
    story = world.stories[-1]
    if world.clock.now() - story.begins_at < _STILL_FRESH_SECONDS:
        return True
    now = world.clock.now()
    return any(world.timeline.is_open(story, fault, now) for fault in story.scenario.faults)


async def _listen(
    sandbox: Sandbox, ports: Ports, timing: Timing, tenant: Tenant, *, with_model: bool
) -> None:
    clock, cluster, state = sandbox.clock, sandbox.cluster, sandbox.state
    logs = Logs(sandbox.world.timeline, SEED)

    def tick() -> None:
        cluster.tick(clock.now())

    def pod_log(
        namespace: str, pod: str, _: str, since: float, until: float
    ) -> list[tuple[float, str]]:
        wanted = {"namespace": namespace, "pod": pod}
        lines = logs.forward(lambda labels: wanted.items() <= labels.items(), since, until)
        return [(line.at_ns / 1e9, line.text) for line in lines]

    cluster.log_provider = pod_log
    cluster.usage_provider = partial(used, sandbox.world)
    families = sandbox.world.families.items()
    known = {name: Metadata(family.kind, family.help) for name, family in families}
    prometheus = PrometheusServer(
        sandbox.world, clock, known, before=tick, start_story=sandbox.start_story
    )
    loki = LokiServer(logs, clock, tick)
    await _open("prometheus", ports.prometheus, prometheus.start(HOST, ports.prometheus))
    sandbox.servers.append(prometheus)
    await _open("loki", ports.loki, loki.start(HOST, ports.loki))
    sandbox.servers.append(loki)
    tempo = TempoServer(Traces(logs, sandbox.world.signals), clock, tick)
    await _open("tempo", ports.tempo, tempo.start(HOST, ports.tempo))
    sandbox.servers.append(tempo)
    sandbox.kubernetes = await _open(
        "kubernetes",
        ports.kubernetes,
        start_kubernetes(
            HOST, ports.kubernetes, cluster=cluster, clock=clock, state_dir=state.directory
        ),
    )
    sandbox.servers.append(sandbox.kubernetes)
    sandbox.slack = await _open(
        "slack",
        ports.slack,
        start_slack(
            HOST, ports.slack, db_path=state.slack_path, clock=clock, timing=timing, tenant=tenant
        ),
    )
    sandbox.servers.append(sandbox.slack)
    if with_model:
        from sandbox.model.server import start_model

        sandbox.model = await _open("model", ports.model, start_model(HOST, ports.model))
        sandbox.servers.append(sandbox.model)
    sandbox.page = sandbox.slack.url
    sandbox.env = _environment(
        sandbox,
        {"PROMETHEUS_URL": prometheus.url, "LOKI_URL": loki.url, "TRACING_URL": tempo.url},
    )


async def _open(name: str, port: int, starting: Awaitable[T]) -> T:
    try:
        return await starting
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        msg = (
            f"port {port} ({name}) is in use; stop what listens there "
            f"or choose another with --{name}-port"
        )
        raise PortInUseError(msg) from error


def _environment(sandbox: Sandbox, stores: dict[str, str]) -> dict[str, str]:
    folder = sandbox.state.directory.resolve()
    env = {
        "SRE_AGENT_CONFIG": sandbox.world.blueprint.profile,
        "SLACK_BOT_TOKEN": "xoxb-sandbox-bot",
        "SLACK_APP_TOKEN": "xapp-sandbox-app",
        "SLACK_API_URL": sandbox.slack.api_url,
        **stores,
        "KUBECONFIG": str(sandbox.kubernetes.reader_kubeconfig),
        "KUBECONFIG_ACT": str(sandbox.kubernetes.actor_kubeconfig),
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'bot.db'}",
        "KNOWLEDGE_URI": str(folder / "knowledge"),
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(folder / "bot.anchor"),
        "SRE_AGENT_CLOCK": sandbox.clock.env(),
    }
    if sandbox.model is not None:
        env |= {"ANTHROPIC_BASE_URL": sandbox.model.url, "ANTHROPIC_API_KEY": "sandbox-model"}
    return env
