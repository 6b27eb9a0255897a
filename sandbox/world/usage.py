"""What the metrics API tells of a world: the same figures its exporters tell, over a minute."""

from collections.abc import Callable, Iterator, Mapping

from sandbox.prometheus.samples import Matcher, Series
from sandbox.world.world import World

WINDOW_SECONDS = 60
Key = tuple[str, str, str]  # namespace, pod, container; a node is ("", name, "")
KeyOf = Callable[[Mapping[str, str]], Key | None]


def used(world: World) -> dict[Key, tuple[float, float]]:
    """Return what each running container and each node uses now: cores, bytes."""
    memory = _latest(world, "container_memory_working_set_bytes", _container)
    cores = _rates(world, "container_cpu_usage_seconds_total", _container)
    found = {key: (cores[key], memory[key]) for key in cores.keys() & memory.keys()}
    total = _latest(world, "node_memory_MemTotal_bytes", _node)
    free = _latest(world, "node_memory_MemAvailable_bytes", _node)
    busy = _rates(world, "node_cpu_seconds_total", _busy)
    return found | {key: (busy.get(key, 0.0), total[key] - free.get(key, 0.0)) for key in total}


def _container(labels: Mapping[str, str]) -> Key | None:
    return labels["namespace"], labels["pod"], labels["container"]


def _node(labels: Mapping[str, str]) -> Key | None:
    return "", labels["instance"], ""


def _busy(labels: Mapping[str, str]) -> Key | None:
    return None if labels["mode"] in {"idle", "iowait"} else _node(labels)


def _selected(world: World, name: str, key_of: KeyOf) -> Iterator[tuple[Key, Series]]:
    now = round(world.clock.now() * 1000)
    for series in world.select([Matcher("__name__", "=", name)], now - WINDOW_SECONDS * 1000, now):
        key = key_of(dict(series.labels))
        if key is not None and len(series.values):
            yield key, series


def _latest(world: World, name: str, key_of: KeyOf) -> dict[Key, float]:
    return {key: float(series.values[-1]) for key, series in _selected(world, name, key_of)}


def _rates(world: World, name: str, key_of: KeyOf) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for key, series in _selected(world, name, key_of):
        took = float(series.times[-1] - series.times[0]) / 1000
        if took > 0:
            rate = float(series.values[-1] - series.values[0]) / took
            found[key] = found.get(key, 0.0) + rate
    return found
