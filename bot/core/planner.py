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

import structlog

from bot.core.binding import Binder, BoundStep
from bot.core.choosing import (
    Match,
    Measure,
    Notice,
    gather_facts,
    metrics_of,
    nothing_noticed,
    rank,
)
from bot.core.drafting import Variables, bare, verify_rules
from bot.core.gate import Gate
from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.domain.anomaly import Anomaly
from bot.domain.approval import Pending
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.guards import Moment, Refusal, check
from bot.domain.ids import FindingId, PlanId, UserId, mint
from bot.domain.place import Place
from bot.domain.plan import Plan, PlanBody, PlanStatus, VerifyRule
from bot.domain.policy import rule
from bot.domain.risk import RiskConfig, RiskInputs, RiskScore, Tier, Trend, assess
from playbooks.loader import Library, Loaded, nearest
from playbooks.schema import Playbook
from playbooks.triggers import Facts, parse
from tools.act.contract import Action
from tools.errors import BackendError, ToolError
from tools.world import (
    Catalogue,
    ProposalDraft,
    ProposalReceipt,
    ServiceName,
    ServiceSpec,
    Severity,
)

log = structlog.get_logger(__name__)
ALIVE = (
    PlanStatus.WAITING,
    PlanStatus.HELD,
    PlanStatus.APPROVED,
    PlanStatus.RUNNING,
    PlanStatus.VERIFYING,
    PlanStatus.UNDOING,
    PlanStatus.OUTCOME_UNKNOWN,
)
MUTEX = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a proposal comes from. It decides where the card lives, never what is allowed."""

    place: Place
    asked_by: UserId | None = None  # None: the bot itself
    finding: FindingId | None = None
    behind: str = ""  # key of the outbox row whose thread the card joins
    # False where a model's words led here: what it read may have been written by anybody, so that
    # such a plan waits for a click even where policy lets AUTO plans run by themselves.
    may_run_alone: bool = True


class Planner:
    """Makes plans."""

    def __init__(  # noqa: PLR0913 - everything a plan is made of
        self,
        *,
        store: Store,
        clock: Clock,
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
        owner: str = BOT,
    ) -> None:
        """`place_of` names the channel of a service's cards; `owner` this process."""
        self._store, self._clock, self._gate, self._binder = store, clock, gate, binder
        self._actions, self._library, self._catalogue = actions, library, catalogue
        self._measure, self._notice, self._place_of = measure, notice, place_of
        self._variables, self._risk, self._owner = variables, risk, owner

    async def propose(self, draft: ProposalDraft, origin: Origin | None = None) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it (the port `PlanDesk`)."""
        draft = replace(draft, reason=self._binder.clean(draft.reason))
        spec = self._catalogue().services.get(draft.service)
        if spec is None:
            hint = nearest(draft.service, self._catalogue().services)
            return await self._refused(
                draft, Refusal("service", f"there is no service {draft.service!r}.{hint}"), origin
            )
        origin = origin or Origin(self._place_of(spec))
        existing = await self._alive(draft)
        if existing is not None:
            return _receipt(existing, "a plan for this exists already")
        try:
            loaded = self._find(draft, spec)
            return await self._make(draft, spec, loaded, origin)
        except ToolError as error:
            guard = "backend" if isinstance(error, BackendError) else "action"
            return await self._refused(draft, Refusal(guard, str(error)), origin)
        except StaleError as error:
            return await self._refused(draft, Refusal("busy", str(error)), origin)

    def desk(self, origin: Origin) -> PlanDeskAt:
        """Return a plan desk for one agent run: the same, with place and asker filled in."""
        return PlanDeskAt(self, origin)

    async def matches(self, finding: Finding) -> list[Match]:
        """Return the playbooks that fit a finding, best first."""
        library = self._library()
        wanted = frozenset().union(*(metrics_of(each.playbook) for each in library.values()))
        facts = await gather_facts(finding.service, wanted, self._measure, self._notice)
        async with self._store.begin() as tx:
            past = await tx.plans.list(limit=500)
            anomalies = [await tx.anomalies.get(each) for each in finding.anomalies]
        own = [a for a in anomalies if a.service == finding.service]
        seen: dict[str, float] = {a.metric: a.latest.observed for a in own}
        facts = replace(facts, metrics={**seen, **facts.metrics})
        return rank(library, finding.service, facts, finding.causes, past)

    async def propose_for(self, finding: Finding) -> ProposalReceipt | None:
        """Propose the best playbook that fits a finding and is not refused; None when none fits."""
        receipt: ProposalReceipt | None = None
        place = finding.place or self._place_of(self._catalogue().services.get(finding.service))
        behind = "" if place.thread_ts else f"finding:{finding.id}"
        for match in await self.matches(finding):
            why = finding.causes[0].cause if finding.causes else "; ".join(match.conditions)
            draft = ProposalDraft(match.loaded.playbook.id, finding.service, why)
            receipt = await self.propose(draft, Origin(place, None, finding.id, behind))
            if receipt.plan_id is not None:
                async with self._store.begin() as tx:
                    current = await tx.findings.get(finding.id)
                    await tx.findings.save(replace(current, plan=PlanId(receipt.plan_id)))
                    await tx.outbox.refresh("finding", finding.id)
                return receipt
        return receipt

    async def simulate(self, draft: ProposalDraft) -> tuple[RiskScore, Tier, tuple[str, ...]]:
        """Bind and score a draft without keeping anything: score, tier, what would happen."""
        spec = self._catalogue().services[draft.service]
        loaded = self._find(draft, spec)
        bound, score, tier = await self._bind(draft, spec, loaded, None)
        return score, tier, tuple(each.summary for each in bound)

    # --- inside ---------------------------------------------------------------------------

    def _find(self, draft: ProposalDraft, spec: ServiceSpec) -> Loaded:
        library = self._library()
        loaded = library.get(draft.playbook_id)
        if loaded is not None:
            return loaded
        return bare(draft, spec, self._actions, library)

    async def _make(
        self, draft: ProposalDraft, spec: ServiceSpec, loaded: Loaded, origin: Origin
    ) -> ProposalReceipt:
        playbook = loaded.playbook
        if playbook.services and spec.name not in playbook.services:
            known = ", ".join(playbook.services)
            text = f"playbook {playbook.id!r} is for {known}, not for {spec.name!r}"
            return await self._refused(draft, Refusal("playbook_service", text), origin)
        facts = await gather_facts(spec.name, metrics_of(playbook), self._measure, self._notice)
        blocked = _precondition(playbook, facts)
        if blocked is not None:
            return await self._refused(draft, blocked, origin)
        early = await self._early(spec, playbook)
        if early is not None:
            return await self._refused(draft, early, origin)
        bound, score, tier = await self._bind(draft, spec, loaded, origin.finding)
        if not any(each.looked.gitops_owner for each in bound):
            for each in bound:
                await self._binder.dry_run(each.step)
        plan = self._plan(draft, spec, loaded, origin, bound, score, tier, facts)
        return await self._keep(draft, plan, bound, origin)

    async def _early(self, spec: ServiceSpec, playbook: Playbook) -> Refusal | None:
        """Ask the guards before anything is read: a watched-only or protected service is not."""
        tier = Tier.CRITICAL if not playbook.steps else Tier.AUTO
        refs = list(spec.workloads)
        async with self._store.begin() as tx:
            case = await self._gate.draft_case(tx, spec.name, tier, (), refs)
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
        _refuse_twins(bound)
        score = assess(await self._inputs(spec, playbook, bound, finding), self._risk())
        return bound, score, self._risk().tier(score.score)

    async def _inputs(
        self,
        spec: ServiceSpec,
        playbook: Playbook,
        bound: Sequence[BoundStep],
        finding: FindingId | None,
    ) -> RiskInputs:
        worst = await self._worst(spec.name, finding)
        policy = self._gate.policy()
        refs = [each.step.target for each in bound]
        protected = any(
            self._gate.protected(ref) or ref.namespace in policy.protected_namespaces
            for ref in refs
        )
        since = worst.started_at if worst is not None else self._clock.now()
        catalogue = self._catalogue()
        return RiskInputs(
            severity=worst.severity if worst is not None else Severity.MEDIUM,
            lasted=max(timedelta(0), self._clock.now() - since),
            trend=_trend(worst),
            category=worst.category if worst is not None else "",
            namespace=spec.namespace,
            kinds=tuple(ref.kind for ref in refs),
            service_tier=spec.tier,
            dependants=len(catalogue.dependants(spec.name)),
            pods_affected=sum(each.looked.pods_affected for each in bound),
            pods_total=sum(each.looked.pods_total for each in bound),
            steps=len(bound),
            undoable=all(each.undo is not None or each.floor == 0 for each in bound),
            floors={each.step.action: each.floor for each in bound},
            protected=protected or spec.protected,
            override=playbook.risk_override,
        )

    async def _worst(self, service: ServiceName, finding: FindingId | None) -> Anomaly | None:
        async with self._store.begin() as tx:
            if finding is not None:
                ids = (await tx.findings.get(finding)).anomalies
                found = [await tx.anomalies.get(each) for each in ids]
            else:
                found = [a for a in await tx.anomalies.active() if a.service == service]
        return max(found, key=lambda a: abs(a.worst.deviation_sigma), default=None)

    def _plan(
        self,
        draft: ProposalDraft,
        spec: ServiceSpec,
        loaded: Loaded,
        origin: Origin,
        bound: Sequence[BoundStep],
        score: RiskScore,
        tier: Tier,
        facts: Facts,
    ) -> Plan:
        playbook = loaded.playbook
        refs = [each.step.target for each in bound]
        ruling = rule(tier, self._gate.mode(spec.name, refs), self._gate.policy())
        rules: tuple[VerifyRule, ...] = verify_rules(playbook, facts)
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
            blast_radius=tuple(dict.fromkeys(name for each in bound for name in each.affected)),
            dry_run=tuple(f"{each.step.name}: {each.summary}; accepted" for each in bound),
            requested_by=origin.asked_by,
            finding=origin.finding,
            created_at=self._clock.now(),
            expires_at=self._clock.wall() + self._gate.policy().expiry,
            place=origin.place,
            approvers_needed=ruling.approvers_needed,
            auto=ruling.runs_by_itself and origin.may_run_alone,
            chosen=dict(draft.parameters),
        )

    async def _keep(
        self, draft: ProposalDraft, plan: Plan, bound: Sequence[BoundStep], origin: Origin
    ) -> ProposalReceipt:
        """Ask every guard and keep the plan, its card and its audit row in one transaction."""
        refs = [each.step.target for each in bound]
        looked = [each.looked for each in bound]
        wall = self._clock.wall()
        name = f"propose:{plan.service}:{plan.body.playbook_id}"
        async with self._store.begin() as tx:
            if not await tx.leases.acquire(name, plan.id, wall, MUTEX):
                raise StaleError("the same plan is being proposed elsewhere at this moment")
            existing = await self._alive_in(tx, draft)
            if existing is not None:
                await tx.leases.release(name, plan.id)
                return _receipt(existing, "a plan for this exists already")
            case = await self._gate.draft_case(tx, plan.service, plan.tier, looked, refs)
            refusal = check(case, Moment.PROPOSE)
            if refusal is None:
                record = self._record(plan)
                await tx.plans.add(record)
                await tx.outbox.post(
                    f"plan:{plan.id}", "plan", plan.id, plan.place, behind=origin.behind
                )
                await tx.audit.append(_proposed(plan))
            await tx.leases.release(name, plan.id)
        if refusal is not None:
            return await self._refused(draft, refusal, origin, plan.tier)
        log.info("plan.proposed", plan_id=plan.id, tier=plan.tier.value, service=plan.service)
        return _receipt(record, "")

    def _record(self, plan: Plan) -> PlanRecord:
        """An AUTO plan that may run by itself is held: its question expires when the hold ends."""
        hold = self._clock.wall() + self._gate.policy().hold
        until = hold if plan.auto else plan.expires_at
        pending = Pending(plan.id, plan.digest, plan.approvers_needed, until)
        status = PlanStatus.HELD if plan.auto else PlanStatus.WAITING
        return PlanRecord(plan, status, pending, version=1)

    async def _alive(self, draft: ProposalDraft) -> PlanRecord | None:
        async with self._store.begin() as tx:
            return await self._alive_in(tx, draft)

    async def _alive_in(self, tx: Transaction, draft: ProposalDraft) -> PlanRecord | None:
        for record in await tx.plans.list(ALIVE, limit=500):
            plan = record.plan
            if (plan.service, plan.body.playbook_id) == (draft.service, draft.playbook_id):
                return record
        return None

    async def _refused(
        self,
        draft: ProposalDraft,
        refusal: Refusal,
        origin: Origin | None,
        tier: Tier | None = None,
    ) -> ProposalReceipt:
        async with self._store.begin() as tx:
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


def _precondition(playbook: Playbook, facts: Facts) -> Refusal | None:
    for text in playbook.preconditions:
        value = parse(text).evaluate(facts)
        if value is not True:
            state = "does not hold" if value is False else "cannot be judged: no data"
            return Refusal("precondition", f"precondition {text!r} {state}")
    return None


def _refuse_twins(bound: Sequence[BoundStep]) -> None:
    from tools.errors import ActionRefusedError

    seen: set[str] = set()
    for each in bound:
        name = str(each.step.target)
        if name in seen:
            raise ActionRefusedError(
                f"two steps act on {name}; the second would not find it as it was shown: "
                "make two playbooks of them"
            )
        seen.add(name)


def _trend(worst: Anomaly | None) -> Trend:
    if worst is None:
        return Trend.UNKNOWN
    latest, top = abs(worst.latest.deviation_sigma), abs(worst.worst.deviation_sigma)
    if latest >= top:
        return Trend.WORSE
    return Trend.BETTER if latest < 0.8 * top else Trend.STEADY


def _proposed(plan: Plan) -> Event:
    return Event(
        kind="plan.proposed",
        at=plan.created_at,
        actor=plan.requested_by or BOT,
        subject=plan.id,
        digest=plan.digest,
        facts={
            "service": plan.service,
            "playbook": plan.body.playbook_id,
            "playbook_sha256": plan.body.playbook_sha256,
            "tier": plan.tier.value,
            "score": plan.risk.score,
            "steps": [f"{step.action} {step.target}" for step in plan.body.steps],
            "finding": plan.finding or "",
        },
        private=plan.reason,
    )


def _receipt(record: PlanRecord, note: str) -> ProposalReceipt:
    plan = record.plan
    waits = {
        PlanStatus.WAITING: f"it waits for {plan.approvers_needed} approval(s) until "
        f"{plan.expires_at:%H:%M} UTC",
        PlanStatus.HELD: "policy lets it run after a short hold unless somebody stops it",
    }.get(record.status, f"it is {record.status.value}")
    steps = "; ".join(line for line in plan.dry_run)
    text = f"{plan.id} ({plan.tier.value}, risk {plan.risk.score:.2f}): {steps}. {waits}."
    return ProposalReceipt(plan.id, plan.tier.value, f"{note}: {text}" if note else text)
