"""Reads the catalogue: `config/metrics.yaml` and `config/services.yaml`.

Pydantic stands at the door; every complaint says file:line:column, the value, and what to write.
PromQL is parsed here, so that a typo is found by `check-config` and not at three in the morning.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from foundation.nearest import nearest
from foundation.numbers import refuse_flag
from foundation.yaml_file import PathInFile, YamlFileError, read_yaml
from tools.analysis.shares import whole_share
from tools.errors import BadArgumentError
from tools.world import (
    DEFAULT_CLUSTER,
    DEFAULT_MODEL_DATA,
    USUAL_TIER,
    Catalogue,
    Direction,
    MetricName,
    MetricRole,
    MetricSpec,
    ModelData,
    ServiceMode,
    ServiceName,
    ServiceSpec,
    WorkloadRef,
)

_WORD = re.compile("'([^']*)'")  # one of the words that pydantic says it expected


class CatalogueError(BadArgumentError):
    """A catalogue file is wrong; the message names file, line and column."""


class _Door(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_flag(value, cls.model_fields[info.field_name or ""].annotation)


METRICSQL = "metricsql"


class _Metric(_Door):
    dialect: Literal["promql", "metricsql"] = "promql"  # of the query, which stands below
    query: str = Field(min_length=1)
    unit: str
    description: str
    role: MetricRole | None = None
    resource: str = Field("", pattern=r"^([a-z][a-z0-9_]*)?$")
    bad_direction: Direction | None = None  # None: that of the role, else up
    threshold: float | None = None
    group_by: str = Field("service", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    silent_after_minutes: float | None = Field(None, ge=2, le=240)

    @model_validator(mode="after")
    def _only_a_saturation_is_of_something(self) -> _Metric:
        if self.resource and self.role is not MetricRole.SATURATION:
            raise ValueError(
                f"resource {self.resource!r} says what is full; write `role: saturation` beside it"
            )
        return self

    @property
    def direction(self) -> Direction:
        """Where trouble lies."""
        if self.bad_direction is not None:
            return self.bad_direction
        return Direction.UP if self.role is None else self.role.bad_direction

    @field_validator("query")
    @classmethod
    def _parses(cls, text: str, info: ValidationInfo) -> str:
        import promql_parser

        try:
            promql_parser.parse(text)
        except ValueError as error:
            if info.data.get("dialect") != METRICSQL:
                raise ValueError(
                    f"PromQL does not parse: {error}; if it is VictoriaMetrics' own language, "
                    f"write `dialect: {METRICSQL}` beside it"
                ) from error
        return text.strip()


class _Workload(_Door):
    kind: str
    name: str
    namespace: str = ""


class _Service(_Door):
    namespace: str
    cluster: str = ""
    workloads: tuple[_Workload, ...] = ()
    team: str = ""
    channel: str = ""
    tier: int = Field(USUAL_TIER, ge=1, le=5)
    dependencies: tuple[str, ...] = ()
    mode: ServiceMode = ServiceMode.APPROVE
    model_data: ModelData | None = None
    protected: bool = False
    aliases: tuple[str, ...] = ()
    dashboards: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()


T = TypeVar("T", bound=_Door)


class _Page:
    """A catalogue file and its complaints."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = read_yaml(path)
        except YamlFileError as error:
            raise CatalogueError(str(error)) from error
        self.value: Any = self._file.value

    def error(self, path: PathInFile, text: str) -> CatalogueError:
        """Return an error at the place a path names, or at the nearest place above it."""
        return CatalogueError(f"{self._file.where(path)}: {text}")

    def mapping(self, value: Any, path: PathInFile, what: str) -> Mapping[str, Any]:
        """Return the value when it is a mapping with text keys."""
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
        raise self.error(path, f"expected {what}, got {value!r}")

    def read(self, model: type[T], value: Any, path: tuple[str, ...]) -> T:
        """Validate one entry; the first complaint is raised at its place."""
        try:
            return model.model_validate(self.mapping(value, path, "a mapping"))
        except ValidationError as error:
            complaints = error.errors(include_url=False)
            # a misspelt key also leaves its right name missing: say the first, it explains both
            first = min(complaints, key=lambda each: each["type"] != "extra_forbidden")
            place = (*path, *first["loc"])
            name = str(first["loc"][-1]) if first["loc"] else ""
            message = first["msg"].removeprefix("Value error, ")
            if first["type"] == "extra_forbidden":
                text = f"unknown key {name!r}.{nearest(name, _keys(model, first['loc']))}"
            elif first["type"] == "missing":
                text = f"{'.'.join(path)} needs {name!r}"
            elif not name:  # of the entry as a whole
                text = f"{'.'.join(path)}: {message}"
            else:
                words = _WORD.findall(first["ctx"]["expected"]) if first["type"] == "enum" else ()
                near = f".{nearest(str(first['input']), words)}" if words else ""
                text = f"{name} {first['input']!r}: {message}{near}"
            raise self.error(place, text) from error


def _keys(model: type[_Door], place: PathInFile) -> tuple[str, ...]:
    inside: type[BaseModel] = _Workload if "workloads" in place[:-1] else model
    return tuple(inside.model_fields)


def load_metrics(path: Path) -> Mapping[MetricName, MetricSpec]:
    """Read category -> metric -> specification; a metric's name is unique over all categories."""
    page = _Page(path)
    found: dict[MetricName, MetricSpec] = {}
    for category, metrics in page.mapping(page.value or {}, (), "categories of metrics").items():
        for name, raw in page.mapping(metrics, (category,), "metrics by name").items():
            entry = page.read(_Metric, raw, (category, name))
            if name in found:
                other = found[MetricName(name)].category
                raise page.error((category, name), f"metric {name!r} also stands under {other!r}")
            own = {"query", "dialect", "bad_direction", "silent_after_minutes"}
            rest = entry.model_dump(exclude=own)
            silent = entry.silent_after_minutes
            found[MetricName(name)] = MetricSpec(
                name=MetricName(name),
                category=category,
                query=whole_share(entry.query),
                bad_direction=entry.direction,
                silent_after=None if silent is None else timedelta(minutes=silent),
                **rest,
            )
    return MappingProxyType(found)


def load_services(
    path: Path,
    *,
    cluster: str = DEFAULT_CLUSTER,
    clusters: Collection[str] = (),
    model_data: ModelData = DEFAULT_MODEL_DATA,
) -> Mapping[ServiceName, ServiceSpec]:
    """Read service -> specification; dependencies must be services of the file.

    `cluster` is where a service runs that does not say, `model_data` how much of it a model may
    read; `clusters` are the ones that are configured, empty when it is not known.
    """
    page = _Page(path)
    found: dict[ServiceName, ServiceSpec] = {}
    for name, raw in page.mapping(page.value or {}, (), "services by name").items():
        entry = page.read(_Service, raw, (name,))
        where = _cluster_of(page, name, entry, clusters) or cluster
        workloads = tuple(
            WorkloadRef(where, each.namespace or entry.namespace, each.kind, each.name)
            for each in entry.workloads
        )
        rest = entry.model_dump(exclude={"workloads", "dependencies", "cluster", "model_data"})
        found[ServiceName(name)] = ServiceSpec(
            name=ServiceName(name),
            workloads=workloads,
            dependencies=tuple(ServiceName(each) for each in entry.dependencies),
            cluster=where,
            model_data=entry.model_data or model_data,
            **rest,
        )
    _check_names(page, found)
    return MappingProxyType(found)


def _cluster_of(page: _Page, name: str, entry: _Service, clusters: Collection[str]) -> str:
    """Return the cluster an entry names, by `cluster` or by its own name `service@cluster`."""
    named = name.partition("@")[2]
    where = entry.cluster or named
    place = (name, "cluster") if entry.cluster else (name,)
    if named and where != named:
        raise page.error(place, f"cluster {where!r}: the service's own name says {named!r}")
    if where and clusters and where not in clusters:
        text = f"cluster {where!r} is not configured.{nearest(where, clusters)}"
        raise page.error(place, text)
    return where


def _check_names(page: _Page, services: Mapping[ServiceName, ServiceSpec]) -> None:
    owners: dict[str, str] = {name.lower(): name for name in services}
    for name, spec in services.items():
        for index, other in enumerate(spec.dependencies):
            if other not in services:
                place = (name, "dependencies", index)
                text = f"dependency {other!r} is no service.{nearest(other, services)}"
                raise page.error(place, text)
        for index, alias in enumerate(spec.aliases):
            owner = owners.setdefault(alias.lower(), name)
            if owner != name:
                place = (name, "aliases", index)
                raise page.error(place, f"alias {alias!r} already means {owner!r}")


def load_words(path: Path) -> Mapping[str, str]:
    """Read what people call things in questions -> the words of metrics and services."""
    page = _Page(path)
    found: dict[str, str] = {}
    for said, meant in page.mapping(page.value or {}, (), "words by what people say").items():
        if not isinstance(meant, str) or not meant.strip():
            raise page.error((said,), f"what {said!r} means must be a text, got {meant!r}")
        found[said.lower()] = meant.lower()
    return MappingProxyType(found)


def load_catalogue(
    metrics: Path,
    services: Path,
    *,
    words: Path | None = None,
    cluster: str = DEFAULT_CLUSTER,
    clusters: Collection[str] = (),
    model_data: ModelData = DEFAULT_MODEL_DATA,
) -> Catalogue:
    """Read the files; `words` is optional."""
    read = load_services(services, cluster=cluster, clusters=clusters, model_data=model_data)
    said = load_words(words) if words is not None else {}
    return Catalogue(load_metrics(metrics), read, model_data=model_data, words=said)
