"""What a world file names must exist, and its sums must be possible."""

from collections.abc import Iterable, Iterator

from sandbox.world.blueprint import Blueprint, Service, Step
from sandbox.world.metrics import Durations, Events, Gauge, PodCpu, PodMemory, Requests
from sandbox.world.scenario import SIGNALS, Fault, Scenario

_POD_WORDS = {"pod": ""}
_CALL_WORDS = dict.fromkeys(("client", "server", "client_namespace", "server_namespace"), "")
_LINE_WORDS = dict.fromkeys(("request_id", "text", "time", "LEVEL", "level", "logger"), "")
_DRAWN = {"ms": 0, "count": 0, "request_id": ""}


def faults_of(world: Blueprint) -> list[str]:
    """Return everything that is wrong with a world, in the order of its file."""
    return [
        *_services(world),
        *_loads(world),
        *_conventions(world),
        *_talk(world),
        *(wrong for story in world.stories.values() for wrong in _story(world, story)),
        *_known("first_story", [world.first_story], world.stories),
    ]


def _known(where: str, names: Iterable[str], there: Iterable[str]) -> Iterator[str]:
    known = list(there)
    for name in names:
        if name not in known:
            yield f"{where}: {name!r} is not there; there are {', '.join(known)}"


def _services(world: Blueprint) -> Iterator[str]:
    for service in world.services.values():
        where = f"services.{service.name}"
        yield from _known(f"{where}.calls", [c.to for c in service.calls], world.services)
        yield from _known(f"{where}.conventions", service.conventions, world.conventions)
        formats = ["plain", *world.log_formats]
        yield from _known(f"{where}.log_format", [service.log_format], formats)
        if service.kind == "External":
            if service.namespace or service.replicas or service.version:
                yield f"{where}: External runs elsewhere: no namespace, replicas or version"
            continue
        yield from _known(f"{where}.namespace", [service.namespace], world.namespaces)
        if service.replicas < 1 or not service.version:
            yield f"{where}: needs a version and at least one replica"
        scaled, budget = service.autoscaled, service.budget
        if scaled and not scaled.least <= service.replicas <= scaled.most:
            yield f"{where}.autoscaled: {service.replicas} replicas are not within its bounds"
        if budget and (budget.min_available is None) == (budget.max_unavailable is None):
            yield f"{where}.budget: needs min_available or max_unavailable, not both"


def _loads(world: Blueprint) -> Iterator[str]:
    """Every load must come from somewhere, and from outside the circle of calls."""
    known = dict(world.services)
    callers: dict[str, list[str]] = {name: [] for name in known}
    for service in known.values():
        for call in service.calls:
            callers.setdefault(call.to, []).append(service.name)
    for name, service in known.items():
        if service.rps is None and not callers[name]:
            yield f"services.{name}: has no rps and nobody calls it"
    yield from _circles(known, callers)


def _circles(known: dict[str, Service], callers: dict[str, list[str]]) -> Iterator[str]:
    derived = {name: callers[name] for name, s in known.items() if s.rps is None}
    felt = {
        name: [call.to for call in service.calls if call.felt] for name, service in known.items()
    }
    for what, edges in (("load", derived), ("felt trouble", felt)):
        open_, done = set[str](), set[str]()

        def circular(
            name: str, edges: dict[str, list[str]] = edges, open_: set[str] = open_,
            done: set[str] = done,
        ) -> bool:  # fmt: skip
            if name in done:
                return False
            if name in open_:
                return True
            open_.add(name)
            found = any(circular(other) for other in edges.get(name, ()))
            open_.discard(name)
            done.add(name)
            return found

        for name in known:
            if circular(name):
                yield f"services.{name}: its {what} comes back to itself; give one of them an rps"
                break


def _conventions(world: Blueprint) -> Iterator[str]:
    seen: dict[str, str] = {}
    some = next(iter(world.services.values()))
    for name, convention in world.conventions.items():
        yield from _templates(f"conventions.{name}", [convention.labels], some.words() | _POD_WORDS)
        if convention.target is not None:
            words = some.words() | _POD_WORDS
            yield from _templates(f"conventions.{name}.target", [convention.target], words)
        for metric in convention.metrics:
            where = f"conventions.{name}.{metric.name}"
            if metric.name in seen:
                yield f"{where}: {seen[metric.name]} has a metric of this name"
            seen[metric.name] = name
            if isinstance(metric, Requests | Durations):
                yield from _known(f"{where}.services", metric.services, world.services)
                extra = _CALL_WORDS if metric.of == "calls" else {}
                labels = [metric.labels, *(p.labels for group in metric.split for p in group)]
                yield from _templates(where, labels, some.words() | _POD_WORDS | extra)
                if metric.per_pod and metric.of == "calls" and metric.side == "server":
                    yield f"{where}: per_pod tells of the client's pods; side must be client"
            if isinstance(metric, Durations) and list(metric.bounds) != sorted(set(metric.bounds)):
                yield f"{where}.bounds: must rise"
            if isinstance(metric, Gauge | Events):
                named = [row.service or row.load_of for row in metric.levels]
                named += [row.moved_at for row in metric.levels]
                yield from _known(f"{where}.levels", filter(None, named), world.services)
                labels = [metric.labels, *(row.labels for row in metric.levels)]
                yield from _templates(where, labels, some.words() | _POD_WORDS)
            if isinstance(metric, PodMemory | PodCpu):
                yield from _templates(where, [metric.labels], some.words() | _POD_WORDS)


def _templates(where: str, templates: Iterable[object], words: dict[str, object]) -> Iterator[str]:
    for template in templates:
        texts = template.values() if isinstance(template, dict) else [template]
        for text in texts:
            try:
                str(text).format(**words)
            except (KeyError, IndexError, ValueError) as error:
                known = ", ".join(sorted(words))
                yield f"{where}: {text!r} cannot be filled in ({error}); words are {known}"


def _talk(world: Blueprint) -> Iterator[str]:
    running = [service.name for service in world.workloads]
    words = _drawn(world)
    yield from _known("voices", world.voices, running)
    for name, voices in world.voices.items():
        yield from _templates(f"voices.{name}", [v.template for v in voices], words)
    for name, made in world.log_formats.items():
        yield from _templates(f"log_formats.{name}", [made], words | _LINE_WORDS | _labels())
    yield from _templates("log_labels", [world.log_labels], _labels())
    if world.planted:
        yield from _known("planted.service", [world.planted.service], running)
    for journey in world.journeys:
        yield from _known("journeys", [s.service for s in _steps(journey.steps)], world.services)
        yield from _known("journeys.services", journey.services, world.services)
    if not world.journeys or world.journeys[-1].said or world.journeys[-1].services:
        yield "journeys: the last one takes all other lines: it has neither said nor services"
    for job in world.cron_jobs:
        yield from _known(f"cron_jobs.{job.name}", job.namespaces, world.namespaces)


def _labels() -> dict[str, object]:
    return dict.fromkeys(("name", "namespace", "team", "port", "version", "pod", "level"), "")


def _drawn(world: Blueprint) -> dict[str, object]:
    return {**_DRAWN, **dict.fromkeys(world.words, "")}


def _steps(step: Step) -> Iterator[Step]:
    yield step
    for below in step.below:
        yield from _steps(below)


def _story(world: Blueprint, story: Scenario) -> Iterator[str]:
    where = f"stories.{story.name}"
    running = [service.name for service in world.workloads]
    if story.truth.healthy == bool(story.truth.service):
        yield f"{where}.truth: healthy and a guilty service exclude each other, and one must be"
    yield from _known(f"{where}.truth", filter(None, [story.truth.service]), world.services)
    for change in story.changes:
        yield from _known(f"{where}.changes", [change.workload], running)
        needed = "image" if change.action == "deploy" else "config_map"
        if getattr(change, needed) is None:
            yield f"{where}.changes: {change.action!r} needs {needed}"
    known = _signals(world)
    for service, signal in sorted(story.moved):
        yield from _known(where, [service], world.services)
        if signal not in known:
            yield f"{where}: no signal {signal!r}; there are {', '.join(sorted(known))}"
    words = _drawn(world)
    for said in (*story.log_noise, *(said for fault in story.faults for said in fault.logs)):
        yield from _known(where, [said.service], running)
        yield from _templates(where, [said.template], words)
    for fault in story.faults:
        yield from _carried(world, f"{where}.faults.{fault.id}", fault)


def _signals(world: Blueprint) -> set[str]:
    rows = [
        row
        for convention in world.conventions.values()
        for metric in convention.metrics
        if isinstance(metric, Gauge | Events)
        for row in metric.levels
    ]
    return {*SIGNALS, *(row.moved_by for row in rows if row.moved_by)}


def _carried(world: Blueprint, where: str, fault: Fault) -> Iterator[str]:
    carriers = [fault.image, fault.config_map, fault.leak, fault.hours]
    if sum(carrier is not None for carrier in carriers) != 1:
        yield f"{where}: exactly one of image, config_map, leak and hours carries a fault"
    if fault.leak is not None:
        yield from _known(where, [fault.leak.workload], [s.name for s in world.workloads])
        service = world.services.get(fault.leak.workload)
        if service and len(fault.leak.started_before_seconds) != service.replicas:
            yield f"{where}.leak: {service.name} has {service.replicas} pods: tell an age of each"
