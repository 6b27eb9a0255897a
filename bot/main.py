"""What a command starts: the whole bot, one question, one look at a part.

The objects are joined in `bot.composition`; the commands (`bot.cli`) call what stands here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.clock import WorldClock
from bot.composition.config_check import check_config
from bot.composition.database import head_places, kept_anchors, open_as_it_is, open_sealed
from bot.composition.examining import approvers_of, backend_checks, off_of
from bot.composition.lacking import lacking_of
from bot.composition.onboarding import InitWish, learn_platform
from bot.composition.parts import claude_of, open_parts, owner_name
from bot.composition.terminal import terminal_desk
from bot.core.investigation.model.limits import Limits
from bot.core.ports import ModelUnavailableError, PlanRecord, Reply
from bot.core.upkeep.anchoring import AnchorPlace
from bot.core.upkeep.doctor import Check, CheckFailedError, DependencyRow, examine
from bot.core.upkeep.sealing import HeadPlace, Sealing
from bot.domain.answer import Answer
from bot.domain.audit import Anchor
from bot.domain.place import TERMINAL
from bot.domain.question import Question, Voice
from bot.settings import ConfigError, Settings, load_settings, slack_config
from bot.store.anchors import AnchorConfigMap
from bot.store.store import SqlStore
from bot.telemetry import configure_logging
from knowledge.store import KnowledgeIndex, load_encoder
from playbooks.loader import read_library
from tools.act.actions import load_actions
from tools.catalog import ALL, load_tools
from tools.errors import BackendError
from tools.metrics_and_services import load_metrics, load_services
from tools.rules import read_rules
from tools.world import Catalogue

__all__ = [
    "ConfigError",
    "InitWish",
    "Settings",
    "ask",
    "begin_chain_anew",
    "check_config",
    "examine_all",
    "kept_anchors",
    "learn_platform",
    "migrate",
    "open_database",
    "open_knowledge",
    "read_settings",
    "serve",
    "unsealed_since",
]


SEALED_WITHIN = timedelta(minutes=5)  # wall time; sealing takes a second, a new leader fifteen
DISCOVERY_SECONDS = 3.0  # a question waits so long for the map of services, then goes without it


async def serve(settings: Settings) -> None:
    """Run the bot until it is told to stop."""
    from bot.composition.process import serve as run_bot

    configure_logging(settings.log, settings.redactor)
    await run_bot(settings)


async def ask(settings: Settings, text: str, reply: Reply) -> tuple[Answer, PlanRecord | None]:
    """Answer one question in the terminal; returns the plan too that was proposed on the way."""
    async with open_parts(settings) as parts, AsyncExitStack() as stack:
        if parts.discovery is not None:
            await parts.discovery.refresh(DISCOVERY_SECONDS)
        desk = terminal_desk(parts, stack)
        voice = Voice(settings.installation.locale)
        question = Question(
            text, TERMINAL, "terminal", asker_name="somebody at the terminal", voice=voice
        )
        run = await desk.open(question)
        if run is None:
            raise RuntimeError(
                "another question is being answered in this terminal's database; wait or use "
                "another DATABASE_URL"
            )
        answer = await desk.answer(run, reply)
        assert answer is not None  # noqa: S101 - nobody can press Stop in a terminal
        if answer.plan_id is None:
            return answer, None
        async with parts.store.begin() as tx:
            return answer, await tx.plans.get(answer.plan_id)


# --- what the command line opens without the rest -------------------------------------------


def read_settings(log_level: str = "") -> Settings:
    """Read environment and configuration; from then on logs go to stderr without secrets.

    `log_level` empty takes the configured one. Raises ConfigError.
    """
    settings = load_settings()
    log = replace(settings.log, level=log_level) if log_level else settings.log
    configure_logging(log, settings.redactor)
    return settings


def unsealed_since(settings: Settings) -> datetime:
    """Return since when (world time) a row may at most wait to be sealed."""
    speed = settings.clock.speed if isinstance(settings.clock, WorldClock) else 1.0
    return settings.clock.now() - SEALED_WITHIN * speed


@asynccontextmanager
async def open_database(
    settings: Settings, *, migrate: bool = True, seal: bool = False
) -> AsyncIterator[SqlStore]:
    """Open the database alone; `seal` what was written into its audit at the end."""
    async with AsyncExitStack() as stack:
        if not migrate:
            yield await open_as_it_is(settings, stack)
            return
        store, audit = await stack.enter_async_context(open_sealed(settings))
        if seal:
            stack.push_async_callback(audit.sealing.close)
        yield store


async def begin_chain_anew(settings: Settings, actor: str, why: str) -> Anchor:
    """Go on with the audit of a database that was put back, and say so in a signed row.

    Raises ValueError where no anchor is known that it could differ from.
    """
    async with open_sealed(settings) as (_, audit):
        return await audit.sealing.begin_anew(actor, why)


@asynccontextmanager
async def open_knowledge(settings: Settings) -> AsyncIterator[KnowledgeIndex]:
    """Open the knowledge base alone."""
    index = KnowledgeIndex(settings.files.knowledge_uri, await asyncio.to_thread(load_encoder))
    await index.open()
    try:
        yield index
    finally:
        await index.close()


async def migrate(settings: Settings, direction: str, revision: str) -> str:
    """Migrate the database up or down; returns its address without the password."""
    async with open_database(settings, migrate=False) as store:
        if direction == "downgrade":
            await store.downgrade(revision)
        else:
            await store.upgrade(revision)
        return store.url.render_as_string(hide_password=True)


async def examine_all(settings: Settings) -> list[DependencyRow]:
    """Ask everything that is configured how it is."""
    async with AsyncExitStack() as stack:
        checks: dict[str, Check] = {
            "database": lambda: _database_detail(settings),
            "knowledge": lambda: _knowledge_detail(settings),
            "tools": partial(_tools_detail, settings),
            "playbooks": partial(_playbooks_detail, settings),
        }
        if "approvals" not in settings.off:
            checks["approvals"] = partial(approvers_of, settings)
        if settings.slack is not None:
            checks["slack"] = lambda: _slack_detail(settings)
        if settings.claude is not None:
            checks["claude"] = lambda: _claude_detail(settings)
            checks["model data"] = lambda: _model_data_detail(settings)
        checks |= backend_checks(settings, stack)
        checks |= {
            f"audit anchor, {place.name}": partial(_anchor_detail, settings, place)
            for place in settings.audit_anchor.places()
        }
        head, others = head_places(settings, stack)
        maps = [each for each in others if isinstance(each, AnchorConfigMap)]
        heads: list[HeadPlace] = [head] if head is not None else []
        checks |= {
            f"audit anchor, {place.name}": partial(_head_detail, settings, place)
            for place in (*heads, *maps)
        }
        return await examine(checks, off_of(settings))


async def _database_detail(settings: Settings) -> str:
    async with open_database(settings, migrate=False) as store:
        if not await store.healthy():
            raise CheckFailedError("does not answer", "check DATABASE_URL and that it is running")
        return store.url.render_as_string(hide_password=True)


async def _knowledge_detail(settings: Settings) -> str:
    async with open_knowledge(settings) as index:
        stats = await index.stats()
    kind = "words and meaning" if stats.semantic else "words (the `semantic` extra adds meaning)"
    return f"{stats.documents} documents, searched by {kind}"


async def _anchor_detail(settings: Settings, place: AnchorPlace) -> str:
    """Anchor the chain now: only that shows that a place would keep the next one.

    A chain that is not the one that was anchored is not: its end would be the newest one known.
    """
    async with AsyncExitStack() as stack:
        store = await open_as_it_is(settings, stack)
        try:
            known = await Sealing(store, settings.clock, *head_places(settings, stack)).known()
        except BackendError as error:
            raise CheckFailedError(str(error), "until then nothing is sealed") from error
        tx = await stack.enter_async_context(store.read())
        head = await tx.audit.head(settings.clock.wall())
        if head is None:
            return "nothing is sealed yet, so nothing can be anchored"
        subject = (await tx.audit.tail(1))[0].event.subject
        fault = await tx.audit.fault_since(subject, known)
    if fault:
        raise CheckFailedError(fault, "run `audit verify`; then see docs/audit.md")
    try:
        await place.put(head)
    except BackendError as error:
        raise CheckFailedError(str(error), "until then a cut chain stays unseen") from error
    return f"kept the end of {head.count} sealed rows"


async def _head_detail(settings: Settings, place: HeadPlace) -> str:
    """Compare what a place knows with the database; nothing is written there."""
    try:
        kept = await place.newest()
    except BackendError as error:
        raise CheckFailedError(str(error), "until then nothing is sealed") from error
    if kept is None:
        return "knows of no chain yet"
    async with open_database(settings, migrate=False) as store, store.read() as tx:
        head = await tx.audit.head(settings.clock.wall())
    if head is None or head.count < kept.count:
        count = head.count if head is not None else 0
        raise CheckFailedError(
            f"knows {kept.count} sealed rows, and the database has {count}",
            "run `audit verify`; after a restore see docs/audit.md",
        )
    return f"knows {kept.count} sealed rows"


async def _tools_detail(settings: Settings) -> str:
    tools = await asyncio.to_thread(load_tools, settings.files.tools)
    own = ", ".join(each.name for each in tools if each not in ALL)
    return f"{len(tools)} tools, your own: {own}" if own else f"{len(tools)} tools"


async def _playbooks_detail(settings: Settings) -> str:
    files = settings.files
    actions = await asyncio.to_thread(load_actions, files.actions)
    catalogue = Catalogue(await asyncio.to_thread(load_metrics, files.metrics), {})
    known = catalogue.measurable
    read = await asyncio.to_thread(read_library, files.playbooks, actions, known)
    if read.refused:
        why = "; ".join(read.refused.values())
        raise CheckFailedError(f"{len(read.refused)} do not serve: {why}", "mend the named files")
    rules = await asyncio.to_thread(read_rules, files.rca_rules, catalogue.named)
    lacking = "; ".join(lacking_of(catalogue, rules, read))
    return f"{len(read.library)} playbooks" + (f"; {lacking}" if lacking else "")


async def _model_data_detail(settings: Settings) -> str:
    """Tell of which services not everything goes to Claude."""
    files, fallback = settings.files, settings.model_data
    read = partial(load_services, cluster=settings.default_cluster, model_data=fallback)
    services = await asyncio.to_thread(read, files.services)
    limits = Limits(Catalogue({}, services, model_data=fallback))
    if limits.none:
        return "everything but secrets may go to Claude"
    return f"not everything goes to Claude: {limits.told('what belongs to no service')}"


async def _slack_detail(settings: Settings) -> str:
    from bot.slack.workspace import check_slack

    well, detail = await check_slack(slack_config(settings, owner_name()))
    if not well:
        raise CheckFailedError(detail, "check SLACK_BOT_TOKEN, and SLACK_API_URL if it is set")
    return detail


async def _claude_detail(settings: Settings) -> str:
    async with AsyncExitStack() as stack:
        model = claude_of(settings, stack)
        if model is None:
            raise CheckFailedError("is not configured", "set ANTHROPIC_API_KEY")
        try:
            return await model.check()
        except ModelUnavailableError as error:
            raise CheckFailedError(str(error), "check ANTHROPIC_API_KEY and llm.model") from error
