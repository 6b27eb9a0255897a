"""Log lines of a world: what each part says of the trouble it meets, in its own tongue.

    Track: failures by ground and step ──a few lines each, lost under load──> LogLine

A line about a callee is written by its caller, a slow statement by its database, an ending by the
program that ends. Clocks of machines differ; the text carries the machine's, the store the true one
with the machine's error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta

import numpy as np

from bench.incidents.drawing import Fault
from bench.incidents.graph import Part, Random, What
from bench.incidents.mechanics import GROUNDS, OWN
from bench.incidents.pods import End, Phase
from bench.incidents.telling.exposure import Exposure, Pod
from bench.incidents.telling.wording import CHRONIC, QUIET, TONGUES, Tongue
from tools.world import LogLine, labels_of

PORTS = {"postgres": 5432, "mysql": 3306, "redis": 6379, "kafka": 9092, "rabbitmq": 5672}
PER_STEP = 3  # lines of one ground in one step at most
QUIET_HOURS = 8.0
SHIPS = {"all": 0.93, "platform": 0.6, "nothing": 0.1}  # how likely somebody collects its lines
LOSES_ABOVE = 40.0  # failures per second: beyond, the collector drops most
IN_STORES = {
    "postgres": {
        "BAD": "query to {callee} failed: ERROR: internal error",
        "TIMEOUT": "query to {callee} failed: ERROR: canceling statement due to statement timeout",
    },
    "mysql": {
        "BAD": "query to {callee} failed: ERROR 1105 (HY000): Unknown error",
        "TIMEOUT": "query to {callee} failed: ERROR 3024 (HY000): Query execution was interrupted, maximum "
        "statement execution time exceeded",
        "FULL": "ERROR 1040 (HY000): Too many connections ({host})",
        "LOGIN": "ERROR 1045 (28000): Access denied for user '{user}'@'10.0.3.7' (using password: YES)",
    },
    "redis": {
        "BAD": "redis command to {callee} failed: LOADING Redis is loading the dataset in memory",
        "TIMEOUT": "redis command to {callee} timed out after {ms}ms",
    },
}
EXPECTED = {"SICK": "BUG"}


class Lines:
    """All lines, a part at a time, when somebody asks."""

    def __init__(self, x: Exposure) -> None:
        """Draw whose lines are collected."""
        self.x, self.incident = x, x.incident
        self.graph, self.track = x.incident.stage.graph, x.incident.track
        random = np.random.default_rng([x.incident.seed, 31])
        self.collected = {
            p.number: bool(p.runs_here and random.random() < SHIPS[x.watched[p.number]])
            for p in self.graph.parts
        }
        self._made: dict[int, list[LogLine]] = {}

    def of(self, number: int) -> list[LogLine]:
        """Return the lines of a part, oldest first."""
        return self.written(number) if self.collected.get(number) else []

    def written(self, number: int) -> list[LogLine]:
        """Return what a part's containers wrote, collected or not, oldest first."""
        if number not in self._made:
            random = np.random.default_rng([self.incident.seed, 37, number])
            found = sorted(self._of(self.graph.parts[number], random), key=lambda each: each.at)
            now = self.incident.now
            self._made[number] = [each for each in found if each.at <= now]
        return self._made[number]

    def everything(self) -> list[LogLine]:
        """Return all lines, oldest first."""
        found = [line for part in self.graph.parts for line in self.of(part.number)]
        return sorted(found, key=lambda each: each.at)

    def _of(self, part: Part, random: Random) -> Iterator[LogLine]:
        if part.what is What.SERVICE:
            yield from self._service(part, random)
        elif part.product in STORES:
            yield from STORES[part.product](self, part, random)

    # -------------------------------------------------------------------------- of services

    def _service(self, part: Part, random: Random) -> Iterator[LogLine]:
        tongue = TONGUES[self.x.tongue[part.number]]
        yield from self._quiet(part, tongue, random)
        yield from self._own_failures(part, tongue, random)
        for e, link in enumerate(self.graph.links):
            if link.caller == part.number:
                yield from self._link_failures(part, e, tongue, random)
        yield from self._lives(part, tongue, random)

    def _line(
        self,
        part: Part,
        tongue: Tongue,
        at: float,
        level: str,
        message: str,
        random: Random,
        pod: Pod | None = None,
    ) -> LogLine | None:
        pod = pod or self._pod(part, at, random)
        if pod is None:
            return None
        when = self.incident.at(at)
        stamped = when + timedelta(seconds=self.x.skew[part.number])
        text = tongue.frame(level, stamped, part.name, message)
        labelled = level if random.random() > 0.05 else "info"  # levels lie
        labels = {"pod": pod.name, "namespace": part.namespace, "container": part.name}
        return LogLine(stamped, part.name, text, labelled, labels_of(labels))

    def _pod(self, part: Part, at: float, random: Random) -> Pod | None:
        step = min(int(np.searchsorted(self.track.times, at)), self.x.last)
        there = [each for each in self.x.pods(part.number) if each.running[step]]
        return there[int(random.integers(len(there)))] if there else None

    def _quiet(self, part: Part, tongue: Tongue, random: Random) -> Iterator[LogLine]:
        end = self.incident.stage.now
        texts, weights = list(QUIET), np.array(list(QUIET.values()), dtype=float)
        mean = float(self.track.slow[-1, 0, part.number]) * 1000.0
        at = end - QUIET_HOURS * 3600.0
        while at < end:
            at += float(random.exponential(180.0))
            text = texts[int(random.choice(len(texts), p=weights / weights.sum()))]
            message = text.format(
                ms=f"{mean * random.lognormal(0, 0.5):.0f}", n=int(random.integers(4, 90))
            )
            line = self._line(part, tongue, at, "info", message, random)
            if line is not None:
                yield line
        if random.random() < 0.4:
            text = str(random.choice(CHRONIC))
            at = end - QUIET_HOURS * 3600.0
            pause = float(random.uniform(120, 900))
            while at < end:
                at += float(random.exponential(pause))
                level = "error" if "ERROR" in text else "warning"
                message = text.format(n=int(random.integers(1, 90)))
                line = self._line(part, tongue, at, level, message, random)
                if line is not None:
                    yield line

    def _own_failures(self, part: Part, tongue: Tongue, random: Random) -> Iterator[LogLine]:
        n = part.number
        served = np.maximum(self.track.arrived[:, 0, n], 0.0)
        for place, ground in enumerate(OWN):
            per_second = served * self.track.own[:, n, place]
            for at in self._moments(per_second, random):
                words = self._words(part, part, at, random)
                wording = tongue.words.get(EXPECTED.get(ground, ground))
                if wording is None:
                    continue
                line = self._line(part, tongue, at, "error", wording.format(**words), random)
                if line is not None:
                    yield line

    def _link_failures(
        self, part: Part, e: int, tongue: Tongue, random: Random
    ) -> Iterator[LogLine]:
        callee = self.graph.parts[self.graph.links[e].callee]
        for place, ground in enumerate(GROUNDS):
            per_second = self.track.link_rate[:, e] * self.track.link_failed[:, e, place]
            wording = tongue.words[ground]
            if callee.product in IN_STORES:
                wording = IN_STORES[callee.product].get(ground, wording)
                if ground == "BAD" and self.track.own[-1, callee.number, OWN.index("DISK")] > 0:
                    wording = 'query to {callee} failed: could not extend file "base/16384/24601": No space left on device'
            for at in self._moments(per_second, random):
                words = self._words(part, callee, at, random)
                line = self._line(part, tongue, at, "error", wording.format(**words), random)
                if line is not None:
                    yield line

    def _moments(self, per_second: np.ndarray, random: Random) -> Iterator[float]:
        """Yield when a ground is worth a line: a few per step, fewer where the collector drowns."""
        lately = self.track.times > self.incident.stage.now - QUIET_HOURS * 3600.0
        expected = per_second * self.track.lengths * lately
        kept = np.where(per_second > LOSES_ABOVE, 0.3, 1.0)
        drawn = random.poisson(np.minimum(expected * 0.3 * kept, PER_STEP))
        begins = self.track.times - self.track.lengths
        for step in np.flatnonzero(drawn):
            for share in random.random(int(min(drawn[step], PER_STEP))):
                yield float(begins[step] + share * self.track.lengths[step])

    def _words(self, part: Part, callee: Part, at: float, random: Random) -> Mapping[str, str]:
        host = callee.name
        if callee.runs_here and part.number % 3 == 0:
            host = f"{callee.name}.{callee.namespace}.svc.cluster.local"
        elif callee.runs_here and part.number % 3 == 1:
            host = f"{callee.name}.{callee.namespace}"
        port = PORTS.get(callee.product, 443 if callee.what is What.OUTSIDE else 8080)
        links = [
            e
            for e, each in enumerate(self.graph.links)
            if each.caller == part.number and each.callee == callee.number
        ]
        p = self.incident.stage.parameters
        seconds = float(p.timeout[0, links[0]]) if links else 1.0
        pool = int(p.pool[0, links[0]]) if links and p.pool[0, links[0]] < 1e6 else 0
        details = self._details(part.number, at) | self._details(callee.number, at)
        default = {
            "exception": "index out of range [3] with length 3",
            "user": part.name.replace("-", "_"),
            "key": "SETTINGS",
            "expiry": f"{self.incident.at(at):%Y-%m-%dT%H:00:00Z}",
        }
        return (
            default
            | details
            | {
                "host": host,
                "callee": callee.name,
                "port": str(port),
                "n": str(pool or int(random.integers(40, 99))),
                "ms": f"{seconds * 1000:.0f}",
                "seconds": f"{seconds:.0f}",
                "address": f"10.{96 + callee.number % 8}.{callee.number}.{17 + callee.number}",
                "now": f"{self.incident.at(at):%Y-%m-%dT%H:%M:%SZ}",
            }
        )

    def _details(self, number: int, at: float) -> dict[str, str]:
        """Return the names that go with a fault of a part that was there at a time."""
        faults: list[Fault] = [*self.incident.faults, *self.incident.past]
        found: dict[str, str] = {}
        for each in faults:
            if each.strike.part == number and each.began <= at <= each.ended:
                found |= each.strike.details
        return found

    def _lives(self, part: Part, tongue: Tongue, random: Random) -> Iterator[LogLine]:
        """Yield what programs say when they begin and end."""
        for pod in self.x.pods(part.number):
            begun = np.flatnonzero(
                np.diff(pod.running.astype(int), prepend=int(pod.running[0])) > 0
            )
            for step in begun:
                at = float(self.track.times[step])
                for message in ("starting up", "listening on :8080"):
                    line = self._line(part, tongue, at, "info", message, random, pod)
                    if line is not None:
                        yield line
            restarts = self.x.resets(pod)
            ends = np.flatnonzero((np.diff(restarts, prepend=restarts[0]) > 0) & pod.alive)
            for step in ends:
                at = float(self.track.times[step])
                why = End(int(self.track.ended[step, part.number, pod.place]))
                last = self._details(part.number, at).get("last_line", "")
                if why is End.ITSELF and last:
                    line = self._line(part, tongue, at, "error", last, random, pod)
                elif why is End.PROBE:
                    line = self._line(
                        part, tongue, at, "info", "received SIGTERM, shutting down", random, pod
                    )
                else:
                    continue  # what is killed for its memory says nothing
                if line is not None:
                    yield line


# ----------------------------------------------------------------------------------- of stores


def _store_line(lines: Lines, part: Part, at: float, level: str, text: str) -> LogLine:
    when = lines.incident.at(at) + timedelta(seconds=lines.x.skew[part.number])
    labels = {"pod": f"{part.name}-0", "namespace": part.namespace, "container": part.product}
    return LogLine(
        when,
        part.name,
        text.replace("{at}", f"{when:%Y-%m-%d %H:%M:%S.%f}"[:23]),
        level,
        labels_of(labels),
    )


def _postgres(lines: Lines, part: Part, random: Random) -> Iterator[LogLine]:
    n, track = part.number, lines.track
    end = lines.incident.stage.now
    at = end - QUIET_HOURS * 3600.0
    while at < end:
        at += 300.0
        yield _store_line(
            lines,
            part,
            at,
            "info",
            "{at} UTC [27] LOG:  checkpoint complete: wrote "
            f"{random.integers(40, 900)} buffers ({random.random() * 3:.1f}%)",
        )
    slow = track.served[:, 0, n] * np.clip(track.slow[:, 0, n] - 0.5, 0.0, 1.0)
    for at in lines._moments(slow, random):  # noqa: SLF001 - the same module
        step = min(int(np.searchsorted(track.times, at)), lines.x.last)
        took = float(track.slow[step, 0, n]) * random.lognormal(0.3, 0.4) * 1000.0
        text = lines._details(n, at).get("statement", "SELECT * FROM items WHERE id = $1")  # noqa: SLF001
        yield _store_line(
            lines,
            part,
            at,
            "info",
            f"{{at}} UTC [{random.integers(200, 999)}] LOG:  duration: {took:.3f} ms  statement: {text}",
        )
    for at in lines._moments(track.served[:, 0, n] * np.minimum(track.locked[:, n], 1.0), random):  # noqa: SLF001
        text = lines._details(n, at).get("blocker", "ALTER TABLE items ADD COLUMN note text")  # noqa: SLF001
        pid = int(random.integers(200, 999))
        yield _store_line(
            lines,
            part,
            at,
            "info",
            f"{{at}} UTC [{pid}] LOG:  process {pid} still waiting for ShareLock on transaction "
            f"{random.integers(10**6, 10**7)} after 1000.{random.integers(100, 999)} ms; blocker: {text}",
        )
    yield from _refusals(
        lines,
        part,
        random,
        {
            "DISK": '{at} UTC [%d] ERROR:  could not extend file "base/16384/24601": No space left on device',
            "FULL": "{at} UTC [%d] FATAL:  sorry, too many clients already",
            "LOGIN": '{at} UTC [%d] FATAL:  password authentication failed for user "{user}"',
        },
    )


def _mysql(lines: Lines, part: Part, random: Random) -> Iterator[LogLine]:
    yield from _refusals(
        lines,
        part,
        random,
        {
            "DISK": "{at}Z %d [ERROR] [MY-012820] [InnoDB] Operating system error number 28 in a file operation: No space left on device",
            "FULL": "{at}Z %d [Warning] [MY-010055] [Server] Too many connections",
            "LOGIN": "{at}Z %d [Note] [MY-010926] [Server] Access denied for user '{user}'@'10.0.3.7' (using password: YES)",
        },
    )


def _refusals(
    lines: Lines, part: Part, random: Random, words: Mapping[str, str]
) -> Iterator[LogLine]:
    n, track = part.number, lines.track
    for ground, wording in words.items():
        if ground in OWN:
            per_second = track.served[:, 0, n] * track.own[:, n, OWN.index(ground)]
        else:
            links = [e for e, each in enumerate(lines.graph.links) if each.callee == n]
            place = GROUNDS.index(ground)
            per_second = sum(
                (track.link_rate[:, e] * track.link_failed[:, e, place] for e in links),
                start=np.zeros(len(track.times)),
            )
        for at in lines._moments(per_second, random):  # noqa: SLF001 - the same module
            user = lines._details(n, at).get("user", "app")  # noqa: SLF001
            text = (wording % int(random.integers(200, 999))).replace("{user}", user)
            yield _store_line(lines, part, at, "error", text)


def _redis(lines: Lines, part: Part, random: Random) -> Iterator[LogLine]:
    end = lines.incident.stage.now
    at = end - QUIET_HOURS * 3600.0
    while at < end:
        at += 600.0
        yield _store_line(
            lines, part, at, "info", "1:M {at} * 100 changes in 300 seconds. Saving..."
        )
    track = lines.track
    phase = track.phase[:, part.number, 0]
    for step in np.flatnonzero(np.diff((phase == Phase.RUNNING).astype(int), prepend=1) > 0):
        yield _store_line(
            lines, part, float(track.times[step]), "info", "1:M {at} * Ready to accept connections"
        )


STORES = {"postgres": _postgres, "mysql": _mysql, "redis": _redis}
