"""Joins the parts that plan, answer and execute; the composition root calls this once.

build_remediation(ports…) ──> Remediation(planner, proposals, approvals, execution, …)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.core.ports import Clock, Directory, Store
from bot.core.remediation.answers.answering import Answering
from bot.core.remediation.answers.approvals import Approvals
from bot.core.remediation.answers.deadlines import Deadlines
from bot.core.remediation.answers.switches import Switches
from bot.core.remediation.binding import Binder
from bot.core.remediation.guarding.gate import Anchored, Gate, nothing_anchored
from bot.core.remediation.guarding.halts import Halts
from bot.core.remediation.guarding.hand_brake import HandBrake
from bot.core.remediation.guarding.own_ground import OwnGroundReader
from bot.core.remediation.guarding.people import PeopleNow
from bot.core.remediation.measuring import Measure, Notice, nothing_noticed
from bot.core.remediation.plan_moves import PlanMoves
from bot.core.remediation.planning.drafting import Variables
from bot.core.remediation.planning.planner import Planner
from bot.core.remediation.planning.playbook_choice import PlaybookChoice
from bot.core.remediation.planning.proposals import ProposalDesk
from bot.core.remediation.running.claiming import Claims
from bot.core.remediation.running.execution import Execution
from bot.core.remediation.running.holds import Holds
from bot.core.remediation.running.progress import Progress
from bot.core.remediation.running.step_progress import StepProgress
from bot.core.remediation.running.verification import Verifier
from bot.domain.access import AccessConfig
from bot.domain.place import Place
from bot.domain.plans.policy import PolicyConfig
from bot.domain.plans.risk import RiskConfig
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from playbooks.loader import Library
from tools.act.contract import Action, Actors
from tools.world import Catalogue, ServiceName, ServiceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RemediationPorts:
    """Everything from outside. Callables are read anew each time: settings may be reloaded."""

    store: Store
    clock: Clock
    directory: Directory
    actors: Actors
    actions: Mapping[str, Action]
    library: Callable[[], Library]
    catalogue: Callable[[], Catalogue]
    measure: Measure  # see bot.core.remediation.measuring.Measuring
    place_of: Callable[[ServiceSpec | None], Place]  # channel of a service's cards
    texts: Texts
    redactor: Redactor  # of what people will read
    access: Callable[[], AccessConfig]
    policy: Callable[[], PolicyConfig] = PolicyConfig
    risk: Callable[[], RiskConfig] = RiskConfig
    notice: Notice = nothing_noticed
    halt_file: Callable[[], str] = lambda: ""  # why and since when, when the file exists
    hand_brake: HandBrake = field(default_factory=HandBrake)  # halts without the database
    anchored: Anchored = nothing_anchored  # the end of the audit that is known elsewhere
    owner: str = field(default_factory=lambda: f"bot-{secrets.token_hex(8)}")


@dataclass(frozen=True, slots=True)
class Remediation:
    """The decision side of the bot."""

    planner: Planner  # PlanDesk: propose(draft); desk(origin) for one agent run
    proposals: ProposalDesk
    approvals: Approvals
    deadlines: Deadlines
    execution: Execution
    switches: Switches
    gate: Gate


def build_remediation(ports: RemediationPorts) -> Remediation:
    """Join the parts."""
    store, clock = ports.store, ports.clock
    binder = Binder(ports.actors, ports.actions, ports.redactor)
    own = OwnGroundReader(ports.actors, lambda: ports.policy().own)
    people = PeopleNow(ports.directory, ports.catalogue, ports.access)
    halts = Halts(lambda: ports.halt_file() or ports.hand_brake.why)
    gate = Gate(
        clock=clock,
        binder=binder,
        catalogue=ports.catalogue,
        policy=ports.policy,
        people=people,
        halts=halts,
        own=own,
        anchored=ports.anchored,
    )
    moves = PlanMoves(store, clock, ports.texts, ports.redactor)
    planner = Planner(
        moves=moves,
        gate=gate,
        binder=binder,
        actions=ports.actions,
        library=ports.library,
        catalogue=ports.catalogue,
        measure=ports.measure,
        place_of=ports.place_of,
        variables=Variables(ports.actors, ports.actions),
        notice=ports.notice,
        risk=ports.risk,
        own=own,
    )
    holds = Holds(store, ports.owner)
    progress = Progress(holds, clock, gate, ports.texts, ports.redactor)
    execution = Execution(
        clock=clock,
        actors=replace(ports.actors, objection=gate.objection),
        binder=binder,
        claims=Claims(holds, clock, gate, progress),
        holds=holds,
        progress=progress,
        steps=StepProgress(holds, clock, gate, ports.redactor),
        verifier=Verifier(clock, ports.measure),
    )
    choice = PlaybookChoice(store, ports.library, ports.measure, ports.notice)

    def place_of(service: ServiceName) -> Place:
        return ports.place_of(ports.catalogue().services.get(service))

    return Remediation(
        planner=planner,
        proposals=ProposalDesk(store, choice, planner, place_of, ports.texts),
        approvals=Approvals(Answering(moves, gate), planner, lambda: ports.place_of(None)),
        deadlines=Deadlines(moves, gate),
        execution=execution,
        switches=Switches(
            store,
            clock,
            people,
            halts,
            ports.redactor,
            ports.hand_brake,
            lambda: ports.place_of(None),
        ),
        gate=gate,
    )
