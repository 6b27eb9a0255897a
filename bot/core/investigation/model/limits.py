"""How much of whose data a language model may read: the catalogue's `model_data`, asked by name.

    a name, an object, labels ──> the services it might be ──> the strictest of their settings
                                   └─ none that we know ──> the strictest there is

What nobody can place may belong to the most secret service: an ingress' log lines, a sum over
everything, the metrics of a node. It is given away only where every service could be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from tools.world import (
    DEFAULT_CLUSTER,
    DEFAULT_MODEL_DATA,
    Catalogue,
    ModelData,
    ServiceName,
    ServiceSpec,
    WorkloadRef,
)

Services = tuple[ServiceSpec, ...]
UNPLACED = "?"  # how what belongs to no known service is called where services are named
MOST_TOLD = 20  # services by name, in one line
NAMING = ("service", "service_name", "app", "app_kubernetes_io_name")  # labels that name a service
_OBJECTS = {"pod": "Pod", "deployment": "Deployment", "statefulset": "StatefulSet"}


def strictest(levels: Iterable[ModelData]) -> ModelData:
    """Return the strictest of some levels, `all` for none."""
    return max(levels, key=lambda level: level.rank, default=ModelData.ALL)


class Limits:
    """The settings of one catalogue; read once for each run, so that a run has one answer."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read the settings."""
        self._catalogue = catalogue
        self._named: dict[tuple[str, str], Services] = {}

    @cached_property
    def unplaced(self) -> ModelData:
        """What may be read of something that belongs to no service we know."""
        levels = [spec.model_data for spec in self._catalogue.services.values()]
        return strictest([self._catalogue.model_data, *levels])

    @property
    def none(self) -> bool:
        """Whether everything may be read of everything."""
        return self.unplaced is ModelData.ALL

    @cached_property
    def units(self) -> frozenset[str]:
        """The units of the catalogue's metrics."""
        return frozenset(spec.unit for spec in self._catalogue.metrics.values())

    @cached_property
    def naming(self) -> tuple[str, ...]:
        """The labels whose value is a service's name."""
        own = (spec.group_by for spec in self._catalogue.metrics.values())
        return tuple(dict.fromkeys([*NAMING, *own]))

    def by_service(self) -> dict[ServiceName, ModelData]:
        """Return the services of which not everything may be read."""
        found = ((s.name, s.model_data) for s in self._catalogue.services.values())
        return {name: level for name, level in found if level is not ModelData.ALL}

    def of_service(self, name: str) -> ModelData:
        """Return what may be read of the service that is called so."""
        return self.of(self.named(name))

    def of(self, services: Services) -> ModelData:
        """Return what may be read of something that is one of these services."""
        return strictest(s.model_data for s in services) if services else self.unplaced

    def told(self, others: str) -> str:
        """Say of which services not everything may be read; `others` is what has no service."""
        limited = [f"{name}: {level}" for name, level in sorted(self.by_service().items())]
        more = [f"… +{len(limited) - MOST_TOLD}"] if len(limited) > MOST_TOLD else []
        return ", ".join([*limited[:MOST_TOLD], *more, f"{others}: {self.unplaced}"])

    # ------------------------------------------------------------------ whose is it

    def named(self, name: str, cluster: str = "") -> Services:
        """Return the services a name may mean, none for one we do not know.

        It may be a service's own name, an alias, how series call it in any cluster (or in the
        given one), or a workload's.
        """
        key = (name.strip().lower(), cluster)
        if key not in self._named:
            specs = self._bearing(key[0])
            here = tuple(spec for spec in specs if cluster and spec.cluster == cluster)
            self._named[key] = here or specs
        return self._named[key]

    def _bearing(self, name: str) -> Services:
        return tuple(
            spec
            for spec in self._catalogue.services.values()
            if name in {spec.name.lower(), spec.label.lower(), *map(str.lower, spec.aliases)}
            or any(name == ref.name.lower() for ref in spec.workloads)
        )

    def owning(self, told: str) -> Services:
        """Return the services an object may belong to, which is told as `namespace/Kind/name`.

        An object that no service claims may belong to any service of its namespace.
        """
        cluster, _, rest = told.rpartition(":")
        namespace, _, rest = rest.partition("/")
        kind, _, name = rest.partition("/")
        if not (namespace and name):
            return ()
        ref = WorkloadRef(cluster or DEFAULT_CLUSTER, namespace, kind, name)
        return self._catalogue.services_of(ref) or tuple(
            spec
            for spec in self._catalogue.services.values()
            if namespace in {spec.namespace, *(own.namespace for own in spec.workloads)}
        )

    def labelled(self, labels: Mapping[str, object]) -> Services:
        """Return the services that the labels of a series or a line may mean."""
        cluster = str(labels.get("cluster") or "")
        found = [
            spec
            for key in self.naming
            if labels.get(key)
            for spec in self.named(str(labels[key]), cluster)
        ]
        namespace = str(labels.get("namespace") or "")
        where = f"{cluster}:{namespace}" if cluster else namespace
        for key, kind in _OBJECTS.items():
            if namespace and labels.get(key):
                found += self.owning(f"{where}/{kind}/{labels[key]}")
        return tuple({spec.name: spec for spec in found}.values())

    # ------------------------------------------------------------------ what was read before

    def stored(self) -> dict[str, str]:
        """Return the settings in force, to be kept beside what is read under them."""
        levels = {str(name): level.value for name, level in self.by_service().items()}
        return {UNPLACED: self.unplaced.value, **levels}

    def admit(self, then: Mapping[str, str]) -> bool:
        """Say whether what was read under earlier settings may be told again: none is stricter now.

        What is older than the settings was read without any.
        """
        before = {name: ModelData(level) for name, level in then.items()}
        now = {str(name): level for name, level in self.by_service().items()}
        now[UNPLACED] = self.unplaced
        return all(
            level.rank <= before.get(name, DEFAULT_MODEL_DATA).rank for name, level in now.items()
        )
