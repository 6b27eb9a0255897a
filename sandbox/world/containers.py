"""What a container uses: memory since its start, a leak's included, and processor time."""

import numpy as np

from sandbox.world.families import serving, since_start, started
from sandbox.world.noise import Floats, key_of
from sandbox.world.pods import Pod
from sandbox.world.signals import Signals

_WARM_SECONDS = 600.0  # a container reaches its usual memory ten minutes after its start


def memory_bytes(signals: Signals, pod: Pod, times: Floats) -> Floats:
    """Bytes that the pod's container holds."""
    service = pod.service
    key = key_of(pod.name)
    level = service.memory_ratio * (0.97 + 0.06 * (key % 1000) / 1000)
    wander = signals.gauge(service.name, f"memory/{pod.name}", times, 0.008, 0.004, "memory")
    usual = level * wander
    starts = started(pod, times)
    warm = 0.62 + 0.38 * np.clip((times - starts) / _WARM_SECONDS, 0.0, 1.0)
    ratio = usual * warm
    for begin, _ in pod.lives:
        leak = signals.timeline.leaking(service.workload, begin)
        if leak is not None:
            age = times - begin
            grown = leak.base_ratio + (1 - leak.base_ratio) * age / leak.seconds_to_limit
            ratio = np.where(starts == begin, grown * (ratio / usual) ** 0.2, ratio)
    return np.round(np.minimum(ratio, 1.0) * service.memory_limit_bytes)


def cpu_seconds(signals: Signals, pod: Pod, times: Floats) -> Floats:
    """Running sum of the pod's share of its service's work, from the container's start."""
    service = pod.service
    name = service.name
    share = 0.96 + 0.08 * (key_of(pod.name, "cpu") % 1000) / 1000
    history = signals.timeline.view.replicas_history(service.workload)

    def rates(at: Floats) -> Floats:
        each: Floats = (signals.cpu(name, at) / serving(signals, name, at))[None, :]
        return each

    def total(at: Floats) -> Floats:
        summed: Floats = signals.cumulative(("cpu", name, tuple(history)), rates, at)[0]
        return summed

    return since_start(signals, pod, times, total) * share


def restarts(pod: Pod, times: Floats) -> Floats:
    """How often the pod's container was started again."""
    starts = np.array([life[0] for life in pod.lives])
    found: Floats = np.searchsorted(starts, times, side="right").astype(np.float64) - 1.0
    return found


def oom_killed(signals: Signals, pod: Pod, times: Floats) -> Floats:
    """1 once the pod's container was killed for want of memory."""
    leaks = [signals.timeline.leaking(pod.service.workload, life[0]) for life in pod.lives]
    return np.where((restarts(pod, times) > 0) & any(leaks), 1.0, 0.0)
