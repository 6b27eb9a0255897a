"""The plan desk: a draft becomes a plan card, or the name of the guard that refused it.

    draft ─> playbook ─> templates filled ─> steps bound, dry-run ─> risk ─> tier ─> guards
          ─> one transaction: plan + approval, outbox card, audit `plan.proposed`

It proposes and nothing else: what it makes waits for people, or is held in sight of them. A second
draft of the same playbook for the same service gets the plan that is already there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import structlog

from bot.core.ports import PlanRecord, StaleError, Transaction
from bot.core.remediation.binding import Binder, BoundStep, effects_of
from bot.core.remediation.guarding.gate import Gate
from bot.core.remediation.guarding.own_ground import OwnGroundReader
from bot.core.remediation.measuring import (
    Measure,
    Notice,
    gather_facts,
    metrics_of,
    nothing_noticed,
)
from bot.core.remediation.plan_moves import PlanMoves
from bot.core.remediation.planning.drafting import (
    Variables,
    bare,
    choices_of,
    precondition,
    refuse_twins,
)
from bot.core.remediation.planning.proposal_results import diagnosis, proposed, receipt
from bot.core.remediation.planning.risk_inputs import RiskInputsReader
from bot.core.remediation.planning.verify_rules import VerifyRules
from bot.core.shared.incident_book import adopt_plan
from bot.domain.audit import BOT, Event
from bot.domain.ids import FindingId, PlanId, UserId, mint
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans.guards import Moment, Refusal, check
from bot.domain.plans.plan import AT_WORK, OPEN, Plan, PlanBody, PlanStatus, VerifyRule
from bot.domain.plans.policy import rule
from bot.domain.plans.risk import RiskConfig, RiskScore, Tier, assess
from foundation.nearest import nearest
from playbooks.loader import Library, Loaded
from playbooks.schema import Playbook
from playbooks.triggers import TriggerFacts
from tools.act.contract import Action
from tools.act.effects import EffectSet, Reached
from tools.errors import BackendError, ToolError
from tools.world import (
    Catalogue,
    ProposalDraft,
    ProposalReceipt,
    ServiceSpec,
)

log = structlog.get_logger(__name__)
ALIVE = (*OPEN, PlanStatus.APPROVED, *AT_WORK, PlanStatus.OUTCOME_UNKNOWN)  # no second one beside
MUTEX = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a proposal comes from. It decides where the card lives, never what is allowed."""

    place: Place
    asked_by: UserId | None = None  # None: the bot itself
    finding: FindingId | None = None
    behind: str = ""  # key of the outbox row whose thread the card joins
    replaces: PlanId | None = None  # the waiting plan that is withdrawn once the new one exists
    # False where a model's words led here: what it read may have been written by anybody, so that
    # such a plan waits for a click even where policy lets AUTO plans run by themselves.
    may_run_alone: bool = True


class Planner:
    """Makes plans."""

    def __init__(  # noqa: PLR0913 - everything a plan is made of
        self,
        *,
        moves: PlanMoves,
        gate: Gate,
        binder: Binder,
        actions: Mapping[str, Action],
        library: Callable[[], Library],
        catalogue: Callable[[], Catalogue],
        measure: Measure,
        place_of: Callable[[ServiceSpec | None], Place],
        variables: Variables,
        notice: Notice = nothing_noticed,
        risk: Callable[[], RiskConfig] = RiskConfig,
        own: OwnGroundReader,
    ) -> None:
        """`place_of` names the channel of a service's cards."""
        self._moves, self._store, self._clock = moves, moves.store, moves.clock
        self._gate, self._binder = gate, binder
        self._actions, self._library, self._catalogue = actions, library, catalogue
        self._measure, self._notice, self._place_of = measure, notice, place_of
        self._variables, self._risk, self._own = variables, risk, own
        self._verify = VerifyRules(catalogue, measure)
        self._inputs = RiskInputsReader(self._store, self._clock, gate, catalogue)

    async def propose(
        self, draft: ProposalDraft, origin: Origin | None = None, facts: TriggerFacts | None = None
    ) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it (the port `PlanDesk`).

        `facts` are what was just measured to choose the playbook; without them it is measured now.
        """
        draft = replace(draft, reason=self._binder.clean(draft.reason))
        spec = self._catalogue().services.get(draft.service)
        if spec is None:
            hint = nearest(draft.service, self._catalogue().services)
            return await self._refused(
                draft, Refusal("service", f"there is no service {draft.service!r}.{hint}"), origin
            )
        origin = origin or Origin(self._place_of(spec))
        secret = self._secret_in(draft)
        if secret:
            text = f"parameter {secret!r} holds a secret, and people read plans: say where it is"
            return await self._refused(draft, Refusal("secret", text), origin)
        async with self._store.begin() as tx:
            existing = await self._alive(tx, draft, origin)
        if existing is not None:
            return receipt(existing, "a plan for this exists already")
        try:
            loaded = self._find(draft, spec)
            return await self._make(draft, spec, loaded, origin, facts)
        except ToolError as error:
            guard = "backend" if isinstance(error, BackendError) else "action"
            return await self._refused(draft, Refusal(guard, str(error)), origin)
        except StaleError as error:
            return await self._refused(draft, Refusal("busy", str(error)), origin)

    def desk(self, origin: Origin) -> PlanDeskAt:
        """Return a plan desk for one agent run: the same, with place and asker filled in."""
        return PlanDeskAt(self, origin)

    # --- inside ---------------------------------------------------------------------------

    def _secret_in(self, draft: ProposalDraft) -> str:
        """Return the name of a parameter that nobody may read; empty when there is none."""
        for name, value in draft.parameters.items():
            said = f"{name}={value}"
            if self._binder.clean(said) != said:
                return name
        return ""

    def _find(self, draft: ProposalDraft, spec: ServiceSpec) -> Loaded:
        library = self._library()
        loaded = library.get(draft.playbook_id)
        if loaded is not None:
            return loaded
        return bare(draft, spec, self._actions, library)

    async def _make(
        self,
        draft: ProposalDraft,
        spec: ServiceSpec,
        loaded: Loaded,
        origin: Origin,
        facts: TriggerFacts | None,
    ) -> ProposalReceipt:
        playbook = loaded.playbook
        if playbook.services and spec.name not in playbook.services:
            known = ", ".join(playbook.services)
            text = f"playbook {playbook.id!r} is for {known}, not for {spec.name!r}"
            return await self._refused(draft, Refusal("playbook_service", text), origin)
        if facts is None:
            wanted = metrics_of(playbook)
            facts = await gather_facts(spec.name, wanted, self._measure, self._notice)
        blocked = precondition(playbook, facts)
        if blocked is not None:
            return await self._refused(draft, blocked, origin)
        early = await self._early(spec, playbook)
        if early is not None:
            card = diagnosis(draft, playbook) if early.guard == "tier_critical" else None
            return await self._refused(draft, early, origin, card=card)
        await self._own.learn()
        bound, score, tier = await self._bind(draft, spec, loaded, origin.finding)
        if not any(each.looked.gitops_owner for each in bound):
            for each in bound:
                await self._binder.dry_run(each.step)
        rules = await self._verify.of(playbook, spec.name, facts)
        plan = self._plan(draft, spec, loaded, origin, bound, score, tier, rules)
        return await self._keep(draft, plan, loaded, bound, origin)

    async def _early(self, spec: ServiceSpec, playbook: Playbook) -> Refusal | None:
        """Ask the guards before anything is read: a watched-only or protected service is not."""
        tier = Tier.CRITICAL if not playbook.steps else Tier.AUTO
        named = EffectSet(objects=tuple(Reached(ref) for ref in spec.workloads))
        async with self._store.begin() as tx:
            case = await self._gate.draft_case(tx, spec.name, tier, named)
        if tier is Tier.CRITICAL:
            text = playbook.diagnosis or playbook.description
            return Refusal("tier_critical", f"diagnosis only: {text}")
        bare = tuple(replace(each, touched_at=None, busy="") for each in case.targets)
        return check(replace(case, targets=bare), Moment.PROPOSE)

    async def _bind(
        self,
        draft: ProposalDraft,
        spec: ServiceSpec,
        loaded: Loaded,
        finding: FindingId | None,
    ) -> tuple[list[BoundStep], RiskScore, Tier]:
        playbook = loaded.playbook
        values = await self._variables.of(playbook, draft, spec, finding or "")
        bound = [
            await self._binder.bind(index, step, values)
            for index, step in enumerate(playbook.steps)
        ]
        refuse_twins(bound)
        score = assess(await self._inputs.read(spec, playbook, bound, finding), self._risk())
        return bound, score, self._risk().tier(score.score)

    def _plan(
        self,
        draft: ProposalDraft,
        spec: ServiceSpec,
        loaded: Loaded,
        origin: Origin,
        bound: Sequence[BoundStep],
        score: RiskScore,
        tier: Tier,
        rules: tuple[VerifyRule, ...],
    ) -> Plan:
        playbook = loaded.playbook
        refs = [each.ref for each in effects_of(bound).everything()]
        ruling = rule(tier, self._gate.mode(spec.name, refs), self._gate.policy())
        body = PlanBody(
            steps=tuple(each.step for each in bound),
            undo=tuple(each.undo for each in reversed(bound) if each.undo is not None),
            verify=rules,
            playbook_id=playbook.id,
            playbook_sha256=loaded.sha256,
        )
        return Plan(
            id=PlanId(mint("PLAN")),
            title=f"{playbook.name}: {spec.name}",
            service=spec.name,
            reason=draft.reason[:500],
            body=body,
            digest=body.digest(),
            risk=score,
            tier=tier,
            blast_radius=_hit(bound),
            dry_run=tuple(f"{each.step.name}: {each.summary}; accepted" for each in bound),
            requested_by=origin.asked_by,
            finding=origin.finding,
            created_at=self._clock.now(),
            expires_at=self._gate.steady.glance() + self._gate.policy().expiry,
            place=origin.place,
            approvers_needed=ruling.approvers_needed,
            auto=ruling.runs_by_itself and origin.may_run_alone,
            chosen=dict(draft.parameters),
            choices=choices_of(playbook, draft, self._actions),
            cooldown=_cooldown(playbook),
            owners=playbook.owners,
        )

    async def _keep(
        self,
        draft: ProposalDraft,
        plan: Plan,
        loaded: Loaded,
        bound: Sequence[BoundStep],
        origin: Origin,
    ) -> ProposalReceipt:
        """Ask every guard and keep the plan, its card and its audit row in one transaction."""
        looked, effects = [each.looked for each in bound], effects_of(bound)
        wall = self._clock.wall()
        name = f"propose:{plan.service}:{plan.body.playbook_id}"
        async with self._store.begin() as tx:
            if not await tx.leases.acquire(name, plan.id, wall, MUTEX):
                raise StaleError("the same plan is being proposed elsewhere at this moment")
            existing = await self._alive(tx, draft, origin)
            if existing is not None:
                await tx.leases.release(name, plan.id)
                return receipt(existing, "a plan for this exists already")
            case = await self._gate.draft_case(
                tx, plan.service, plan.tier, effects, looked, plan.cooldown
            )
            refusal = check(case, Moment.PROPOSE)
            if refusal is None:
                hold_ends = wall + self._gate.policy().hold
                record = PlanRecord(plan, life.propose(plan, hold_ends), version=1)
                await tx.plans.add(record)
                await tx.outbox.post(
                    f"plan:{plan.id}", "plan", plan.id, plan.place, behind=origin.behind
                )
                said = self._moves.texts.say("incident.plan_proposed", title=plan.title)
                await adopt_plan(tx, record, said)
                await tx.audit.append(proposed(record, origin.replaces or ""))
                if origin.replaces is not None:
                    await self._moves.replaced(tx, origin.replaces, plan)
            await tx.leases.release(name, plan.id)
        if refusal is not None:
            card = None
            if refusal.guard == "tier_critical":
                card = diagnosis(draft, loaded.playbook, plan)
            return await self._refused(draft, refusal, origin, plan.tier, card)
        log.info("plan.proposed", plan_id=plan.id, tier=plan.tier.value, service=plan.service)
        return receipt(record, "")

    async def _alive(
        self, tx: Transaction, draft: ProposalDraft, origin: Origin
    ) -> PlanRecord | None:
        """Return the plan that is already there for this playbook and service."""
        for record in await tx.plans.list(ALIVE, limit=None):
            plan = record.plan
            same = (plan.service, plan.body.playbook_id) == (draft.service, draft.playbook_id)
            if same and plan.id != origin.replaces:
                return record
        return None

    async def _refused(
        self,
        draft: ProposalDraft,
        refusal: Refusal,
        origin: Origin | None,
        tier: Tier | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> ProposalReceipt:
        """Say no, on record; `card` is what people read of a plan that must never run."""
        async with self._store.begin() as tx:
            if card is not None and origin is not None:
                about = origin.finding or origin.place.thread_ts or f"{self._clock.now():%Y%m%d%H}"
                key = f"diagnosis:{draft.playbook_id}:{draft.service}:{about}"
                await tx.outbox.post(
                    key, "diagnosis", draft.playbook_id, origin.place, card, behind=origin.behind
                )
            await tx.audit.append(
                Event(
                    kind="plan.refused",
                    at=self._clock.now(),
                    actor=(origin.asked_by if origin else None) or BOT,
                    subject=draft.service,
                    facts={"guard": refusal.guard, "playbook": draft.playbook_id[:100]},
                    private=f"{refusal.message}\n{draft.reason}",
                )
            )
        log.info("plan.refused", guard=refusal.guard, playbook=draft.playbook_id)
        named = Tier.CRITICAL if refusal.guard == "tier_critical" else tier
        return ProposalReceipt(None, named.value if named else "", refusal.message, refusal.guard)


@dataclass(frozen=True, slots=True)
class PlanDeskAt:
    """The port `PlanDesk` for one agent run."""

    planner: Planner
    origin: Origin

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it."""
        return await self.planner.propose(draft, replace(self.origin, may_run_alone=False))


def _hit(bound: Sequence[BoundStep]) -> tuple[str, ...]:
    """Return what would be touched: the objects of the steps, then whatever hangs on them."""
    effects = effects_of(bound)
    hangs = (*effects.workloads(), *effects.served_by())
    named = [name for each in bound for name in each.affected]
    return tuple(dict.fromkeys([*named, *map(str, hangs)]))


def _cooldown(playbook: Playbook) -> timedelta:
    return timedelta(minutes=playbook.cooldown_minutes or 0)
