"""Guards: every reason for which a plan must not go on, each with a name.

    Case (what is known now) ──check(case, moment)──> None, or the first Refusal

A guard is a small pure function. `GUARDS` names each with the moments it speaks at:

    PROPOSE   a plan is made                    STEP     before each of its own steps
    ANSWER    a person says yes                 VERIFY   before each look whether it helped
    CLAIM     a process begins to work on it    UNDO     before each step of the way back

A STEP asks all that a CLAIM asks, but for the expiry, which ends with the claim; what the plan did
itself counts neither as cooldown nor as concurrency. An UNDO asks little, as what is half done is a
danger of its own. An unknown fact refuses: a guard never guesses in favour of acting.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.ids import UserId
from bot.domain.plans.approval import Approval, Approved, Pending, answers_of
from bot.domain.plans.plan import Plan
from bot.domain.plans.policy import PolicyConfig, rule
from bot.domain.plans.risk import Tier
from tools.world import ServiceMode, WorkloadRef


class Moment(StrEnum):
    """When guards are asked."""

    PROPOSE = "propose"
    ANSWER = "answer"
    CLAIM = "claim"
    STEP = "step"
    VERIFY = "verify"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Which guard said no, and what a person should know."""

    guard: str
    message: str


@dataclass(frozen=True, slots=True)
class TouchedObject:
    """One object a plan touches, stands below, scales or takes traffic from, as it is now."""

    ref: WorkloadRef
    labels: tuple[str, ...] = ()  # `name=value`: its own and those of its pods
    protected: bool = False  # the service catalogue says so
    own: str = ""  # what it is to the bot itself: "its database"
    touched_at: datetime | None = None  # world time a step last touched it
    busy: str = ""  # id of a plan at work that touches it too


@dataclass(frozen=True, slots=True)
class Answerer:
    """Somebody whose yes counts, with what the directory says of them now."""

    user: UserId
    allowed: bool
    why: str = ""  # why not
    confirmed: bool = True  # False: nobody could be asked who they are now


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the guards look at."""

    config: PolicyConfig
    now: datetime  # world
    wall: datetime
    tier: Tier
    mode: ServiceMode  # the strictest of the services touched
    targets: tuple[TouchedObject, ...] = ()  # the whole effect set
    unforeseen: str = ""  # what of the effect set nobody knows, or nobody was shown
    objections: tuple[Refusal, ...] = ()  # what a look at the steps' objects found wrong
    unseen: str = ""  # why they could not be looked at
    pods_affected: int = 0
    running: int = 0  # plans at work, without this one
    halted: str = ""  # why, when the kill switch is on
    frozen: str = ""  # why, when changes are frozen
    gitops_owner: str = ""  # who writes a target from Git, empty for nobody
    git_change: str = ""  # what a person commits to Git instead, where that is known
    plan: Plan | None = None
    approval: Approval | None = None
    stopped: bool = False  # a person asked to stop this plan
    auto: bool = False  # runs without a click, after the hold
    glass: bool = False  # one approver opens it, or opened it, in an emergency
    cooldown: timedelta = timedelta(0)  # the playbook's own
    answerers: tuple[Answerer, ...] = ()
    unproved: str = "nobody looked for what proves it"  # why nothing does; empty: it is proved
    asked_digest: str = ""  # the digest a person answered, where the door tells it

    def objection(self, guard: str) -> str:
        """Return what a look found wrong, in words; empty for nothing."""
        return next((each.message for each in self.objections if each.guard == guard), "")


def proof(case: Case) -> str:
    """Refuse a plan, a state or an approval that nothing proves."""
    return case.unproved


def protected_namespace(case: Case) -> str:
    """Refuse targets in a protected namespace."""
    for target in case.targets:
        if target.ref.namespace in case.config.protected_namespaces:
            return f"{target.ref} is in the protected namespace {target.ref.namespace!r}"
    return ""


def protected_label(case: Case) -> str:
    """Refuse targets that carry a protected label, or whose namespace does.

    Its value counts in whatever letters somebody typed it: `True` is meant as `true` is.
    """
    for target in case.targets:
        for label in case.config.protected_labels:
            name, valued, value = label.partition("=")
            carried = [each.partition("=") for each in target.labels]
            if any(
                found == name and (not valued or worth.lower() == value.lower())
                for found, _, worth in carried
            ):
                return f"{target.ref} carries the protected label {label!r}"
    return ""


def protected_own(case: Case) -> str:
    """Refuse what the bot itself stands on."""
    for target in case.targets:
        if target.own:
            return f"{target.ref} is {target.own} of the bot itself"
    return ""


def effect_set(case: Case) -> str:
    """Refuse what would touch more than was shown, or something that nobody knows."""
    return case.unforeseen


def protected_service(case: Case) -> str:
    """Refuse targets that the service catalogue protects."""
    for target in case.targets:
        if target.protected:
            return f"{target.ref} belongs to a service that the catalogue protects"
    return ""


def gitops_owned(case: Case) -> str:
    """Refuse what Git would put back."""
    if not case.gitops_owner:
        return ""
    change = f": {case.git_change}" if case.git_change else ""
    return f"{case.gitops_owner} owns the target; make the change in Git instead{change}"


def tier_critical(case: Case) -> str:
    """Refuse what is diagnosis only."""
    if case.tier is not Tier.CRITICAL:
        return ""
    return "the risk is critical: diagnosis only, a person must act by hand"


def service_mode(case: Case) -> str:
    """Refuse any plan for a service that is only observed."""
    ruling = rule(case.tier, case.mode, case.config)
    return "" if ruling.may_be_shown or case.tier is Tier.CRITICAL else ruling.why


def service_mode_answer(case: Case) -> str:
    """Refuse a yes where policy only suggests."""
    if case.mode in {ServiceMode.OBSERVE, ServiceMode.SUGGEST}:
        return f"the service's mode is {case.mode.value}: plans are for reading"
    return ""


def enabled(case: Case) -> str:
    """Refuse to act while remediation is switched off."""
    return "" if case.config.enabled else "auto_remediation.enabled is false"


def dry_run(case: Case) -> str:
    """Refuse to act while the dry-run switch is on."""
    return "auto_remediation.dry_run is true: plans end here" if case.config.dry_run else ""


def halt(case: Case) -> str:
    """Refuse while the kill switch is on."""
    return f"the kill switch is on: {case.halted}" if case.halted else ""


def freeze(case: Case) -> str:
    """Refuse while changes are frozen."""
    return f"changes are frozen: {case.frozen}" if case.frozen else ""


def stopped(case: Case) -> str:
    """Refuse the next step after somebody pressed Stop."""
    return "somebody stopped this plan" if case.stopped else ""


def unseen(case: Case) -> str:
    """Refuse to go on without a look at what the plan touches."""
    return f"what the plan touches cannot be read: {case.unseen}" if case.unseen else ""


def target_identity(case: Case) -> str:
    """Refuse an object that was deleted and made anew under the same name."""
    return case.objection("target_identity")


def target_changed(case: Case) -> str:
    """Refuse an object that is not as it was when the plan was shown.

    Before each step its action compares the object itself, in the request that changes it.
    """
    return case.objection("target_changed")


def dry_run_refused(case: Case) -> str:
    """Refuse what the server would refuse."""
    return case.objection("dry_run_refused")


def exclusion(case: Case) -> str:
    """Refuse a workload that another plan is working on."""
    for target in case.targets:
        if target.busy:
            return f"{target.ref} is being worked on by {target.busy}"
    return ""


def cooldown(case: Case) -> str:
    """Refuse a workload that was touched a moment ago.

    The longer of the playbook's cooldown and policy's counts.
    """
    longest = max(case.config.cooldown, case.cooldown)
    for target in case.targets:
        if target.touched_at is not None:
            free_at = target.touched_at + longest
            if case.now < free_at:
                left = max(timedelta(seconds=1), free_at - case.now)
                minutes = left.total_seconds() / 60
                return f"{target.ref} was touched a moment ago; wait {minutes:.1f} min"
    return ""


def concurrency(case: Case) -> str:
    """Refuse more plans at once than are allowed."""
    if case.running < case.config.max_concurrent:
        return ""
    return f"{case.running} plans are running; {case.config.max_concurrent} may at once"


def blast_radius(case: Case) -> str:
    """Refuse plans that restart or remove too many pods."""
    if case.pods_affected <= case.config.max_pods_affected:
        return ""
    most = case.config.max_pods_affected
    return f"{case.pods_affected} pods would restart or disappear; at most {most} may"


def expiry(case: Case) -> str:
    """Refuse a plan whose time is over (an answer that comes too late is `approval.Expired`)."""
    if case.plan is not None and case.wall < case.plan.expires_at:
        return ""
    return "the plan has expired; propose it again"


def plan_digest(case: Case) -> str:
    """Refuse unless what was said yes to is what would run, byte for byte."""
    if case.plan is None or case.approval is None:
        return "there is no plan or no approval to compare"
    now = case.plan.body.digest()
    said = [case.plan.digest, *(yes.digest for yes in answers_of(case.approval))]
    if isinstance(case.approval, Pending | Approved):
        said.append(case.approval.digest)
    if case.asked_digest:
        said.append(case.asked_digest)
    if all(each == now for each in said):
        return ""
    return "the plan is not the one that was shown; propose it again"


def identity(case: Case) -> str:
    """Refuse while nobody can be asked who those are whose yes counts."""
    for each in case.answerers:
        if not each.confirmed:
            return each.why or f"who {each.user} is now cannot be confirmed"
    return ""


def approver_role(case: Case) -> str:
    """Refuse unless everybody whose yes counts may still say it."""
    if case.auto and not case.answerers:
        return (
            ""
            if rule(case.tier, case.mode, case.config).runs_by_itself
            else ("this plan may no longer run without a click")
        )
    if not case.answerers:
        return "nobody with the right to do so has said yes"
    for each in case.answerers:
        if not each.allowed:
            return each.why or f"{each.user} may not answer this plan"
    return ""


def distinct_approvers(case: Case) -> str:
    """Refuse unless enough different people said yes; who asked may be kept out."""
    if case.auto or case.plan is None:
        return ""
    people = {yes.by for yes in answers_of(case.approval)}
    if not case.config.requester_counts and case.plan.requested_by is not None:
        people.discard(case.plan.requested_by)
    needed = max(
        case.plan.approvers_needed, rule(case.tier, case.mode, case.config).approvers_needed
    )
    if case.glass:  # the guard break_glass says whether that is allowed at all
        needed = 1
    if len(people) >= needed:
        return ""
    return f"{needed} different people must say yes; {len(people)} did"


def break_glass(case: Case) -> str:
    """Refuse one approver alone unless policy allows that in an emergency, for a MANUAL plan."""
    if not case.glass:
        return ""
    if not case.config.break_glass:
        return "auto_remediation.break_glass is false: two different approvers must say yes"
    if case.tier is not Tier.MANUAL:
        return f"break-glass is for plans that need two approvers; this one is {case.tier.value}"
    return ""


def requester(case: Case) -> str:
    """Refuse the asker's own yes where it does not count."""
    if case.config.requester_counts or case.plan is None:
        return ""
    if any(each.user == case.plan.requested_by for each in case.answerers):
        return "who asked for a plan may not answer it here (requester_counts: false)"
    return ""


@dataclass(frozen=True, slots=True)
class Guard:
    """A named check and the moments it speaks at."""

    says: Callable[[Case], str]  # why not; empty for no objection
    moments: frozenset[Moment]
    waits: bool = False  # a claim it refuses is tried again until the plan expires
    patience: timedelta = timedelta(0)  # wall: so long a plan at work waits before it is stopped


PATIENCE = timedelta(minutes=5)  # wall: an outage of Slack or of the cluster, not a night
_P, _A, _C, _S = Moment.PROPOSE, Moment.ANSWER, Moment.CLAIM, Moment.STEP
_V, _U = Moment.VERIFY, Moment.UNDO


def _at(*moments: Moment) -> frozenset[Moment]:
    return frozenset(moments)


GUARDS: dict[str, Guard] = {  # in the order they are asked; a test removes each at each moment
    "proof": Guard(proof, _at(_A, _C, _S, _V, _U)),
    "protected_namespace": Guard(protected_namespace, _at(_P, _A, _C, _S, _U)),
    "protected_label": Guard(protected_label, _at(_P, _A, _C, _S, _U)),
    "protected_service": Guard(protected_service, _at(_P, _A, _C, _S, _U)),
    "protected_own": Guard(protected_own, _at(_P, _A, _C, _S, _U)),
    "target_identity": Guard(target_identity, _at(_C, _S, _U)),
    "effect_set": Guard(effect_set, _at(_P, _A, _C, _S)),
    "gitops_owned": Guard(gitops_owned, _at(_P, _C, _S)),
    "service_mode": Guard(service_mode, _at(_P)),
    "service_mode_answer": Guard(service_mode_answer, _at(_A, _C, _S)),
    "tier_critical": Guard(tier_critical, _at(_P, _A, _C, _S)),
    "blast_radius": Guard(blast_radius, _at(_P, _C, _S)),
    "enabled": Guard(enabled, _at(_A, _C, _S)),
    "dry_run": Guard(dry_run, _at(_A, _C, _S)),
    "halt": Guard(halt, _at(_P, _A, _C, _S, _V, _U)),
    "freeze": Guard(freeze, _at(_P, _A, _C, _S)),
    "stopped": Guard(stopped, _at(_S, _V, _U)),
    "expiry": Guard(expiry, _at(_C)),
    "plan_digest": Guard(plan_digest, _at(_A, _C, _S, _V, _U)),
    "identity": Guard(identity, _at(_A, _C, _S), waits=True, patience=PATIENCE),
    "approver_role": Guard(approver_role, _at(_C, _S)),
    "requester": Guard(requester, _at(_A)),
    "break_glass": Guard(break_glass, _at(_A, _C, _S)),
    "distinct_approvers": Guard(distinct_approvers, _at(_C, _S)),
    "target_changed": Guard(target_changed, _at(_C)),
    "unseen": Guard(unseen, _at(_S), patience=PATIENCE),
    "exclusion": Guard(exclusion, _at(_P, _C, _S), waits=True),
    "cooldown": Guard(cooldown, _at(_P, _C, _S), waits=True),
    "concurrency": Guard(concurrency, _at(_C, _S), waits=True),  # a card may wait its turn
    "dry_run_refused": Guard(dry_run_refused, _at(_C)),
}


PROTECTIONS = ("protected_namespace", "protected_label", "protected_service", "protected_own")


def protection(case: Case) -> Refusal | None:
    """Ask only what an effect set is judged by, whatever a plan, a person or a clock says."""
    for name in (*PROTECTIONS, "effect_set"):
        guard = GUARDS.get(name)
        if guard is not None and (why := guard.says(case)):
            return Refusal(name, why)
    return None


def check(case: Case, moment: Moment) -> Refusal | None:
    """Ask every guard of a moment; the first objection wins."""
    return ask(tuple(GUARDS), case, moment)


def ask(names: Collection[str], case: Case, moment: Moment) -> Refusal | None:
    """Ask some guards, those of them that speak at this moment; the first objection wins."""
    for name in names:
        guard = GUARDS.get(name)
        why = guard.says(case) if guard is not None and moment in guard.moments else ""
        if why:
            return Refusal(name, why)
    return None


def may_wait(refusal: Refusal) -> bool:
    """Say whether a refused claim may be tried again later."""
    guard = GUARDS.get(refusal.guard)
    return guard is not None and guard.waits


def patience_of(refusal: Refusal) -> timedelta:
    """Return how long (wall) a plan at work waits for this refusal to end before it is stopped."""
    guard = GUARDS.get(refusal.guard)
    return guard.patience if guard is not None else timedelta(0)


def waiting() -> tuple[str, ...]:
    """Return the guards for whose sake a claim waits."""
    return tuple(name for name, guard in GUARDS.items() if guard.waits)
