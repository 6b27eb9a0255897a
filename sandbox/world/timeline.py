"""What happened to the platform: the stories told so far and how strongly each fault is felt when.

strength   0 (not felt) to 1 (fully developed): rises with the onset constant while the fault is
           open, falls with the recovery constant once it is closed; a leak's follows memory use
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sandbox.world.blueprint import Blueprint
from sandbox.world.faults import FaultLog, Interval
from sandbox.world.files import load_world
from sandbox.world.noise import Floats
from sandbox.world.pods import pods_of
from sandbox.world.scenario import Effect, Fault, Leak, Story
from sandbox.world.view import ClusterView

_PRESSURE_FROM = 0.7  # share of the memory limit from which a leak is felt
_RAMP_SECONDS = 1800.0  # a noisy stretch fades in
_SPIKE_LEAD_SECONDS = 86400.0  # a story's spikes lie at most this long before it
_TAILS = 12  # time constants after which a closed fault is forgotten


@dataclass
class Timeline:
    """Stories, fault intervals and container lives, asked by time."""

    faults: FaultLog
    view: ClusterView
    origin: float  # first moment of the history
    stories: list[Story] = field(default_factory=list)  # oldest first
    blueprint: Blueprint = field(default_factory=load_world)

    def intervals(self, story: Story, fault: Fault) -> tuple[Interval, ...]:
        """Return when the fault was open, within the story's time."""
        until = self.until(story)
        if fault.hours is not None:
            begin = story.begins_at + fault.hours.begin_seconds
            end = min(begin + fault.hours.last_seconds, until)
            return (Interval(begin, end),) if begin < end else ()
        rows = self.faults.intervals(story.fault_key(fault))
        return tuple(row for row in rows if story.begins_at <= row.opened_at < until)

    def is_open(self, story: Story, fault: Fault, at: float) -> bool:
        """Whether the fault is open at a moment."""
        return any(row.opened_at <= at < row.end for row in self.intervals(story, fault))

    def touches(self, service: str, signal: str) -> bool:
        """Whether any story told so far moves this signal at any time."""
        return any((service, signal) in story.scenario.moved for story in self.stories)

    def until(self, story: Story) -> float:
        """When the next story took over; infinity for the current one."""
        place = self.stories.index(story)
        after = self.stories[place + 1 :]
        return after[0].begins_at if after else float("inf")

    def active_faults(self) -> Iterator[tuple[Story, Fault]]:
        """Return every fault of every story."""
        for story in self.stories:
            for fault in story.scenario.faults:
                yield story, fault

    def strength(self, story: Story, fault: Fault, times: Floats) -> Floats:
        """How strongly a fault is felt at each time, in [0, 1]."""
        if fault.leak is not None:
            return self._pressure(story, fault.leak, times)
        total = np.zeros(times.shape)
        for row in self.intervals(story, fault):
            since = np.maximum(times - row.opened_at, 0.0)
            level = 1.0 - np.exp(-since / fault.onset_seconds)
            if row.closed_at is not None:
                peak = 1.0 - np.exp(-(row.closed_at - row.opened_at) / fault.onset_seconds)
                fading = np.exp(-np.maximum(times - row.closed_at, 0.0) / fault.recovery_seconds)
                level = np.where(times <= row.closed_at, level, peak * fading)
            total = np.maximum(total, np.where(times >= row.opened_at, level, 0.0))
        return total

    def leak_ages(self, story: Story, leak: Leak) -> float:
        """Earliest start of a container that leaks in this story."""
        return story.begins_at - max(leak.started_before_seconds) - 60.0

    def leaking(self, workload: str, started: float) -> Leak | None:
        """Return the leak a container that started then suffers from."""
        for story, fault in self.active_faults():
            leak = fault.leak
            if leak is None or leak.workload != workload:
                continue
            if self.leak_ages(story, leak) <= started < self.until(story):
                return leak
        return None

    def _pressure(self, story: Story, leak: Leak, times: Floats) -> Floats:
        total, alive = np.zeros(times.shape), np.zeros(times.shape)
        for pod in pods_of(self.view, self.blueprint.services[leak.workload], self.origin):
            for started, ended in pod.lives:
                running = (times >= started) & (times < ended)
                alive += running
                if self.leak_ages(story, leak) <= started < self.until(story):
                    grown = leak.base_ratio + (1 - leak.base_ratio) * (
                        (times - started) / leak.seconds_to_limit
                    )
                    share = np.clip((grown - _PRESSURE_FROM) / (1 - _PRESSURE_FROM), 0.0, 1.0)
                    total += np.where(running, share**2, 0.0)
        return total / np.maximum(alive, 1.0)

    def effect(self, service: str, signal: str, times: Floats) -> tuple[Floats, Floats]:
        """Return (factor, addend) that faults and spikes put on a signal."""
        factor, addend = np.ones(times.shape), np.zeros(times.shape)
        for story, fault in self.active_faults():
            found = [row for row in fault.effects if (row.service, row.signal) == (service, signal)]
            if found:
                strength = self.strength(story, fault, times)
                factor, addend = _applied(found, strength, factor, addend)
        for story in self.stories:
            for spike in story.scenario.spikes:
                if (spike.service, spike.signal) == (service, signal):
                    away = (times - story.begins_at - spike.at_seconds) / (spike.width_seconds / 2)
                    factor = factor * (1.0 + (spike.multiply - 1.0) * np.exp(-0.5 * away**2))
        return factor, addend

    def noise(self, times: Floats) -> Floats:
        """Return the factor on every series' fast noise."""
        factor = np.ones(times.shape)
        for story in self.stories:
            if story.scenario.noise == 1.0:
                continue
            begin = story.begins_at - story.scenario.noise_lead_seconds
            share = np.clip((times - begin) / _RAMP_SECONDS, 0.0, 1.0)
            share = np.where(times < self.until(story), share, 0.0)
            factor = factor * (1.0 + (story.scenario.noise - 1.0) * share)
        return factor

    def fingerprint(self, start: float, end: float) -> tuple[object, ...]:
        """Return all that shapes signals in [start, end): equal prints mean equal samples."""
        parts: list[object] = []
        parts += [
            (story.scenario.name, story.begins_at, min(self.until(story), end))
            for story in self.stories
            if story.begins_at - story.scenario.noise_lead_seconds - _SPIKE_LEAD_SECONDS < end
        ]
        for story, fault in self.active_faults():
            if fault.leak is not None:
                lives = self.view.pod_started_at(fault.leak.workload)
                parts += [(n, s, min(e or end, end)) for n, s, e in lives if s < end]
            parts += [
                (fault.id, row.opened_at, min(row.end, end))
                for row in self.intervals(story, fault)
                if row.opened_at < end and row.end + _TAILS * fault.recovery_seconds > start
            ]
        return tuple(parts)


def _applied(
    effects: list[Effect], strength: Floats, factor: Floats, addend: Floats
) -> tuple[Floats, Floats]:
    for effect in effects:
        factor = factor * (1.0 + (effect.multiply - 1.0) * strength)
        addend = addend + effect.add * strength
    return factor, addend
