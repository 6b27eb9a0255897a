"""Judges a catalogue against the stage's own list: no server and no clock, only what was seen.

    proposals + what their queries gave + truths ──judge──> RED, USE, data, wrong roles, wrong units

RED: a service's part counts when a metric of that role, whose `group_by` label carries exactly the
service's name, has a value that fits the truth in the unit it claims: within half and double for
traffic; for errors the same or within .03 of the share; for latency from half the mean to one and a
half times the slowest. A service counts when all parts of its list do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.onboarding.queries import is_quotient, selectors

Labels = Mapping[str, str]
FACTOR, SHARE_SLACK, USE_SLACK, RATE_SLACK = 2.0, 0.03, 0.15, 0.05
TIMES = {
    "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "us": 1e-6, "µs": 1e-6, "usec": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
    "nanoseconds": 1e-9, "min": 60.0, "minutes": 60.0, "hours": 3600.0, "days": 86400.0,
}  # fmt: skip
SHARES = {"ratio": 1.0, "share": 1.0, "percent": 0.01, "%": 0.01, "percentage": 0.01}
_PER = re.compile(r"^(?P<what>.*?)(?:/| per )(?P<time>s|sec|second|min|minute|h|hour)s?$")
_PER_SECONDS = {"s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0}
_WINDOW = re.compile(r"\[(\d+)([smhd])(?::\w*)?\]")
_MILLISECONDS = re.compile(r"(milliseconds|_ms)(_|$)")
_OUTCOME = re.compile(r"(code|status|result|outcome|error|exception|state|success)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One metric of a catalogue."""

    name: str
    query: str
    unit: str
    role: str  # empty: none
    group_by: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant answer."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Truth:
    """What a part of one service is: in seconds, a share, or per second."""

    low: float
    high: float
    share: float = math.nan  # of errors only: `low` and `high` are then errors per second


@dataclass(frozen=True, slots=True)
class Wanted:
    """A service and its parts, a truth or more each; any of them is right."""

    service: str
    parts: Mapping[str, Sequence[Truth]]
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource of one target."""

    target: str
    name: str
    over: Sequence[str]
    roles: Sequence[str]
    instance: str = ""
    truth: float = math.nan
    held_out: bool = False


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was judged."""

    red: Mapping[str, Mapping[str, str]]  # service -> part -> "" when found, else why not
    use: Mapping[str, str]  # "target resource" -> the same
    empty: Sequence[str]  # proposals without data
    proposals: int
    wrong_roles: Mapping[str, str] = field(default_factory=dict)
    wrong_units: Mapping[str, str] = field(default_factory=dict)
    unjudged: int = 0  # proposals over metrics of which the list says nothing

    @property
    def red_share(self) -> float:
        """Return the share of services of which every part was found."""
        whole = [not any(parts.values()) for parts in self.red.values()]
        return sum(whole) / len(whole) if whole else 0.0

    @property
    def part_share(self) -> float:
        """Return the share of parts found, over all services."""
        parts = [not why for each in self.red.values() for why in each.values()]
        return sum(parts) / len(parts) if parts else 0.0

    @property
    def use_share(self) -> float:
        """Return the share of resources found."""
        return sum(not why for why in self.use.values()) / len(self.use) if self.use else 0.0

    @property
    def data_share(self) -> float:
        """Return the share of proposals whose query gave a number; none proposed is none right."""
        return 1 - len(self.empty) / self.proposals if self.proposals else 0.0


def judge(
    proposals: Sequence[Proposal],
    answers: Mapping[str, Sequence[Sample]],
    lately: Mapping[str, Sequence[Sample]],
    wanted: Iterable[Wanted],
    resources: Iterable[Resource],
    roles: Sequence[tuple[str, Sequence[str]]],
) -> Verdicts:
    """Judge one catalogue by what each proposal's query gave.

    `answers` are of the time of the truths, `lately` of now: a query has data when either has.
    """
    seen, now = (
        {e.name: _real(each.get(e.name, ())) for e in proposals} for each in (answers, lately)
    )
    wrong_units = {e.name: why for e in proposals if (why := _unit(e, seen[e.name]))}
    red: dict[str, dict[str, str]] = {}
    for each in wanted:
        red[each.service] = {}
        for part, truths in each.parts.items():
            why, scaled = _part(each.service, part, truths, proposals, seen)
            red[each.service][part] = why
            wrong_units |= scaled
    wrong_roles, unjudged = _roles(proposals, roles)
    return Verdicts(
        red=red,
        use={f"{r.target} {r.name}": _resource(r, proposals, seen) for r in resources},
        empty=[each.name for each in proposals if not (seen[each.name] or now[each.name])],
        proposals=len(proposals),
        wrong_roles=wrong_roles,
        wrong_units=wrong_units,
        unjudged=unjudged,
    )


def _real(samples: Iterable[Sample]) -> list[Sample]:
    return [each for each in samples if math.isfinite(each.value)]


def in_base(unit: str, value: float, query: str) -> tuple[str, float] | None:
    """Return its kind and the value in seconds, as a share or per second; None: unreadable."""
    word = unit.strip().lower()
    if word in TIMES:
        return "time", value * TIMES[word]
    if word in SHARES:
        return "share", value * SHARES[word]
    per = _PER.match(word)
    if per:
        return "rate", value / _PER_SECONDS[per["time"]]
    if "increase(" in query and (window := _WINDOW.search(query)):
        seconds = int(window[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[window[2]]
        return "rate", value / seconds
    return None


def metric_names(query: str) -> set[str]:
    """Return the metrics that a query reads."""
    return {each.metric for each in selectors(query)}


def _part(
    service: str,
    part: str,
    truths: Sequence[Truth],
    proposals: Sequence[Proposal],
    seen: Mapping[str, Sequence[Sample]],
) -> tuple[str, dict[str, str]]:
    """Return why a part was not found (empty: found) and which proposals have a wrong unit."""
    of_role = [each for each in proposals if each.role == part]
    mine = [
        (each, sample.value)
        for each in of_role
        for sample in seen[each.name]
        if sample.labels.get(each.group_by) == service
    ]
    if not mine:
        return f"no {part} of it", {}
    scaled, whys = {}, []
    for each, value in mine:
        why = [_fits(part, each, value, truth) for truth in truths]
        if "" in why:
            return "", {}
        whys.append(f"{each.name}: {why[0]}")
        if any(
            _fits(part, each, value * factor, truth) == "" and value != 0
            for factor in (1e-3, 1e3, 1e-2, 1e2)
            for truth in truths
        ):
            scaled[each.name] = f"{value:g} {each.unit} is off by its unit"
    return "; ".join(whys), scaled


def _fits(part: str, proposal: Proposal, value: float, truth: Truth) -> str:
    """Return why a value does not fit the truth; empty when it does."""
    if part == "availability":
        return "" if truth.low <= value <= truth.high else f"{value:g} is not {truth.low:g}"
    base = in_base(proposal.unit, value, proposal.query)
    if base is None:
        return f"unit {proposal.unit!r} is no {part}"
    kind, number = base
    if part == "latency":
        well = kind == "time" and 0.5 * truth.low <= number <= 1.5 * truth.high
        told = f"{truth.low:.3g} to {truth.high:.3g} s"
    elif part == "errors" and kind == "share":
        well = _near(number, truth.share, SHARE_SLACK)
        told = f"a share of {truth.share:.3g}"
    else:
        well = kind == "rate" and (
            _near(number, truth.low, RATE_SLACK if part == "errors" else 0.0)
        )
        told = f"{truth.low:.3g} a second"
    return "" if well else f"{value:g} {proposal.unit} is not {told}"


def _near(value: float, truth: float, slack: float) -> bool:
    return truth / FACTOR <= value <= truth * FACTOR or abs(value - truth) <= slack


def _resource(
    wanted: Resource, proposals: Sequence[Proposal], seen: Mapping[str, Sequence[Sample]]
) -> str:
    whys = []
    for each in proposals:
        names = metric_names(each.query)
        if not any(re.fullmatch(over, name) for over in wanted.over for name in names):
            continue
        if each.role not in wanted.roles:
            whys.append(f"{each.name} is {each.role or 'of no role'}")
            continue
        known = {wanted.target, wanted.instance} - {""}
        values = [s.value for s in seen[each.name] if known & set(s.labels.values())]
        base = in_base(each.unit, values[0], each.query) if values else None
        if not values:
            whys.append(f"{each.name} has no value for it")
        elif base and base[0] == "share" and not _is_share(base[1], wanted.truth):
            whys.append(f"{each.name}: {values[0]:g} {each.unit} is not {wanted.truth:.3g}")
        else:
            return ""
    return "; ".join(whys) or "nothing over it"


def _is_share(value: float, truth: float) -> bool:
    if math.isnan(truth):
        return 0 <= value <= 1.05
    return abs(value - truth) <= USE_SLACK


def _unit(proposal: Proposal, samples: Sequence[Sample]) -> str:
    """Return what is wrong with a unit without knowing the truth; empty when nothing is."""
    kind = (in_base(proposal.unit, 1.0, proposal.query) or ("", 0.0))[0]
    if proposal.role == "latency" and kind != "time":
        return f"a latency in {proposal.unit!r}"
    if proposal.role == "traffic" and kind not in ("rate", ""):
        return f"traffic in {proposal.unit!r}"
    if kind == "share" and proposal.role in ("errors", "saturation", "availability"):
        factor = SHARES[proposal.unit.strip().lower()]
        outside = [s.value for s in samples if not -0.001 <= s.value * factor <= 1.05]
        if outside:
            return f"{outside[0]:g} as {proposal.unit!r}"
    names = metric_names(proposal.query)
    if kind == "time" and not is_quotient(proposal.query):
        is_in_ms = TIMES[proposal.unit.strip().lower()] == 1e-3
        if any(_MILLISECONDS.search(name) for name in names) and not is_in_ms:
            return f"milliseconds as {proposal.unit!r}"
    return ""


def _roles(
    proposals: Sequence[Proposal], roles: Sequence[tuple[str, Sequence[str]]]
) -> tuple[dict[str, str], int]:
    wrong: dict[str, str] = {}
    unjudged = 0
    for each in proposals:
        if not each.role:
            continue
        allowed = []
        for name in metric_names(each.query):
            fitting = next((may for like, may in roles if re.fullmatch(like, name)), None)
            if fitting is not None:
                allowed.append((name, fitting))
        unjudged += not allowed
        # one metric that allows the role is enough: a share divides one kind by another
        if allowed and not any(each.role in may for _, may in allowed):
            wrong[each.name] = f"{allowed[0][0]} proposed as {each.role}"
        elif each.role == "errors" and not _speaks_of_failure(each.query):
            wrong[each.name] = "errors that ask for no failure"
        elif each.role == "traffic" and _asks_for_failure_only(each.query):
            wrong[each.name] = "failures proposed as traffic"
    return wrong, unjudged


_FAILURE_NAME = re.compile(
    r"(rollback|deadlock|conflict|err|fail|abort|exception|unroutable|redeliver|dead_letter|drop"
    r"|reject|evict|slow|retr|timeout|refused|denied|panic)", re.IGNORECASE,
)  # fmt: skip
_FAILED_VALUE = re.compile(r"^\(?5(\d|\.|x|\[)|error|fail|internal", re.IGNORECASE)


def _speaks_of_failure(query: str) -> bool:
    return any(
        _FAILURE_NAME.search(each.metric)
        or any(_OUTCOME.search(label) for label, _, _ in each.matchers)
        for each in selectors(query)
    )


def _asks_for_failure_only(query: str) -> bool:
    read = selectors(query)
    return bool(read) and all(
        any(sign in ("=", "=~") and _FAILED_VALUE.search(value) for _, sign, value in each.matchers)
        for each in read
    )
