"""Log lines as pure functions of (seed, service, level, slot): nothing is stored.

Time is cut into slots of ten seconds, asked for in blocks of ten minutes. A *voice* is one template
of a service with a rate; how many of its lines fall into a slot, when and with which words follows
from hashes. Rates follow the load of the service; faults and noisy stories add voices of their own.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from sandbox.world.blueprint import Blueprint, Numbered, Service
from sandbox.world.families import filled
from sandbox.world.noise import Floats, key_of, uniform
from sandbox.world.pods import Pod, pods_of
from sandbox.world.requests import request_of, trace_id_of
from sandbox.world.scenario import Fault, LogEffect, Story
from sandbox.world.timeline import Timeline

SLOT_SECONDS = 10
_BLOCK_SLOTS = 60
_BLOCK = SLOT_SECONDS * _BLOCK_SLOTS
_INAUDIBLE = 1e-4  # lines per slot below which a fault is silent
LEVELS = ("info", "warn", "error")
_PLANTED_EVERY = 21  # blocks: 3.5 hours


@dataclass(frozen=True)
class Line:
    """One log line."""

    at_ns: int  # nanoseconds since 1970 UTC
    labels: tuple[tuple[str, str], ...]  # of its stream, sorted
    text: str
    service: str
    level: str
    said: str  # the text without the format around it

    @property
    def trace_id(self) -> str:
        """The trace the line belongs to, which its service wrote beside it; empty for none."""
        return trace_id_of(self.said, self.level, self.at_ns)


@dataclass(frozen=True)
class Said:
    """One kind of line a service writes, and when."""

    service: str
    level: str
    per_minute: float
    template: str
    milliseconds: tuple[int, int]
    strength: Callable[[Floats], Floats] | None = None  # of a fault, by time; None: always


class Logs:
    """Every line of every service, asked by time."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        """Let faults and stories of `timeline` speak too; `seed` picks words and moments."""
        self._timeline = timeline
        self._seed = seed
        self._world = timeline.blueprint
        self._usual = [
            Said(name, voice.level, voice.per_minute, voice.template, voice.milliseconds)
            for name, voices in self._world.voices.items()
            for voice in voices
        ]

    @property
    def origin(self) -> float:
        """First moment of the history."""
        return self._timeline.origin

    def labels(self) -> list[dict[str, str]]:
        """Return the label set of every stream that is being written."""
        return [
            dict(_stream(self._world, pod, level))
            for service in self._world.workloads
            for pod in self._pods(service)
            for level in LEVELS
        ]

    def _pods(self, service: Service) -> list[Pod]:
        return pods_of(self._timeline.view, service, self._timeline.origin)

    def backward(
        self, accepts: Callable[[dict[str, str]], bool], start: float, end: float
    ) -> Iterator[Line]:
        """Yield the accepted streams' lines from the newest to the oldest in [start, end)."""
        blocks = range(math.ceil(end / _BLOCK) - 1, math.floor(start / _BLOCK) - 1, -1)
        return self._lines(accepts, blocks, start, end, newest_first=True)

    def forward(
        self, accepts: Callable[[dict[str, str]], bool], start: float, end: float
    ) -> Iterator[Line]:
        """Yield the accepted streams' lines from the oldest to the newest in [start, end)."""
        blocks = range(math.floor(start / _BLOCK), math.ceil(end / _BLOCK))
        return self._lines(accepts, blocks, start, end, newest_first=False)

    def _lines(
        self,
        accepts: Callable[[dict[str, str]], bool],
        blocks: range,
        start: float,
        end: float,
        *,
        newest_first: bool,
    ) -> Iterator[Line]:
        pods = {service.name: self._pods(service) for service in self._world.workloads}
        heard = [
            voice
            for voice in self._voices()
            if any(
                accepts(dict(_stream(self._world, pod, voice.level))) for pod in pods[voice.service]
            )
        ]
        low, high = round(start * 1e9), round(end * 1e9)
        for block in blocks:
            begin = block * float(_BLOCK)
            alive = {
                name: [pod for pod in known if pod.ends > begin and pod.begins < begin + _BLOCK]
                for name, known in pods.items()
            }
            written = [line for voice in heard for line in self._block(voice, alive, block)]
            written += [line for line in self._endings(alive) if _inside(line, block)]
            written += self._planted(alive, block)
            written.sort(key=lambda line: line.at_ns, reverse=newest_first)
            verdicts: dict[tuple[tuple[str, str], ...], bool] = {}
            for line in written:
                if line.labels not in verdicts:
                    verdicts[line.labels] = accepts(dict(line.labels))
                if low <= line.at_ns < high and verdicts[line.labels]:
                    yield line

    def _voices(self) -> list[Said]:
        voices = list(self._usual)
        for story, fault in self._timeline.active_faults():
            for effect in fault.logs:

                def felt(at: Floats, s: Story = story, f: Fault = fault) -> Floats:
                    return self._timeline.strength(s, f, at)

                voices.append(_said(effect, felt))
        for story in self._timeline.stories:
            begin = story.begins_at - story.scenario.noise_lead_seconds
            until = self._timeline.until(story)
            for effect in story.scenario.log_noise:

                def loud(at: Floats, low: float = begin, high: float = until) -> Floats:
                    return ((at >= low) & (at < high)).astype(np.float64)

                voices.append(_said(effect, loud))
        return voices

    def _block(self, voice: Said, pods: dict[str, list[Pod]], block: int) -> list[Line]:
        slots = np.arange(block * _BLOCK_SLOTS, (block + 1) * _BLOCK_SLOTS, dtype=np.int64)
        middles = (slots.astype(np.float64) + 0.5) * SLOT_SECONDS
        felt = (
            self._world.rhythm.factor(middles)
            if voice.strength is None
            else voice.strength(middles)
        )
        rates = voice.per_minute * SLOT_SECONDS / 60.0 * felt
        key = key_of(self._seed, "log", voice.service, voice.level, voice.template)
        counts = np.where(rates > _INAUDIBLE, np.floor(rates + uniform(key, slots)), 0).astype(int)
        if not counts.any():
            return []
        numbers = np.concatenate([np.arange(count) for count in counts])
        names = np.repeat(slots, counts) * 1000 + numbers
        draws = [uniform((key + 1 + column) % 2**64, names) for column in range(6)]
        moments = (np.repeat(slots, counts) + draws[0]) * SLOT_SECONDS
        lines = []
        for at, who, *words in zip(moments.tolist(), *(d.tolist() for d in draws[1:]), strict=True):
            pod = _running(pods[voice.service], at, who)
            if pod is not None:
                text = _words(self._world, voice, words)
                lines.append(self._line(at, pod, voice.level, text))
        return lines

    def _endings(self, pods: dict[str, list[Pod]]) -> list[Line]:
        """Return what containers say when they start and when memory runs out."""
        lines = []
        for service in self._world.workloads:
            for pod in pods[service.name]:
                for begin, end in pod.lives:
                    if begin > self._timeline.origin:
                        text = f"starting {service.name}, listening on :{service.port}"
                        lines.append(self._line(begin + 1.0, pod, "info", text))
                    leak = self._timeline.leaking(service.workload, begin)
                    if leak is None or math.isinf(end):
                        continue
                    if leak.ratio_at_age(end - begin) > 0.97:
                        lines.append(self._line(end - 2.0, pod, "error", leak.last_words))
        return lines

    def _planted(self, pods: dict[str, list[Pod]], block: int) -> list[Line]:
        """Return a customer's note that pretends to give orders: data, whatever it says."""
        planted = self._world.planted
        if planted is None or block % _PLANTED_EVERY:
            return []
        at = block * _BLOCK + 3.5
        pod = _running(pods[planted.service], at, 0.5)
        return [] if pod is None else [self._line(at, pod, "warn", planted.text)]

    def _line(self, at: float, pod: Pod, level: str, said: str) -> Line:
        service = pod.service
        text = said
        if service.log_format != "plain":
            words = service.words() | {
                "pod": pod.name,
                "level": level,
                "LEVEL": level.upper(),
                "logger": service.name,
                "time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
                "request_id": request_of(said),
                "text": said,
            }
            text = json.dumps(filled(self._world.log_formats[service.log_format], words))
        labels = _stream(self._world, pod, level)
        return Line(round(at * 1e9), labels, text, service.name, level, said)


def _inside(line: Line, block: int) -> bool:
    return line.at_ns // (_BLOCK * 10**9) == block


def _said(effect: LogEffect, strength: Callable[[Floats], Floats]) -> Said:
    rate, text = effect.per_minute, effect.template
    return Said(effect.service, effect.level, rate, text, effect.milliseconds, strength)


def _running(pods: list[Pod], at: float, draw: float) -> Pod | None:
    alive = [pod for pod in pods if any(begin <= at < end for begin, end in pod.lives)]
    return alive[int(draw * len(alive))] if alive else None


def _stream(world: Blueprint, pod: Pod, level: str) -> tuple[tuple[str, str], ...]:
    words = pod.service.words() | {"pod": pod.name, "level": level}
    return tuple(sorted(filled(world.log_labels, words).items()))


def _words(world: Blueprint, voice: Said, draws: list[float]) -> str:
    """Fill a template's blanks from four draws in [0, 1)."""
    low, high = voice.milliseconds
    words = {name: _word(choice, draws) for name, choice in world.words.items()}
    return voice.template.format(
        ms=int(low + (high - low) * draws[0] ** 2),
        request_id=f"req-{int(draws[1] * 16**8):08x}",
        count=int(10 + draws[3] * 80),
        **words,
    )


def _word(choice: tuple[str, ...] | Numbered, draws: list[float]) -> str:
    if isinstance(choice, Numbered):
        return f"{choice.prefix}{int(choice.least + draws[2] * (choice.most - choice.least))}"
    return choice[int(draws[3] * len(choice))]
