"""What `init` is joined of: the stores and the cluster of the settings, and the files it writes."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.composition.instances import cluster_of, logs_of, metrics_of
from bot.core.upkeep.onboarding.files import CatalogueFiles, ProposedFiles, propose, write
from bot.core.upkeep.onboarding.learning import learn
from bot.core.upkeep.onboarding.reporting import InitReport, report_of
from bot.core.upkeep.onboarding.services import Platform
from bot.settings import ConfigError, Settings
from tools.errors import BackendError
from tools.fleet import default_of
from tools.onboarding.backstage import BackstageError, find_files, read_components
from tools.onboarding.log_labels import LogLabels, log_labels
from tools.onboarding.service_drafts import Described
from tools.ports import TellsLabels
from tools.world import Window

_CONFIG = """\
# Written by `python -m bot init`; every other key has its default: docs/configure.md.
prometheus:
  url: ${{PROMETHEUS_URL}}
loki:
  url: ${{LOKI_URL}}{labels}
paths:
  metrics: {metrics}
  services: {services}
"""
_NO_STORE = (
    "init learns from a metrics store and none is configured: export PROMETHEUS_URL (and keep "
    "`url: ${{PROMETHEUS_URL}}` below `prometheus:` in {config})"
)
LOGS_OF = timedelta(hours=1)  # whose streams say how the log store labels
FIRST_QUESTION = "is anything wrong right now?"


@dataclass(frozen=True, slots=True)
class InitWish:
    """What a person asked `init` for."""

    folder: Path | None = None  # None: where the configuration's own files are
    dry_run: bool = False
    apply: bool = False  # write over what was proposed before, but for a person's edits
    backstage: Path | None = None


async def learn_platform(
    settings: Settings, wish: InitWish, tell: Callable[[str], None]
) -> InitReport:
    """Learn the platform and write what is proposed. Raises ConfigError, BackendError."""
    files, config = _places(settings, wish)
    async with AsyncExitStack() as stack:
        metrics = metrics_of(settings, stack)
        if metrics is None:
            raise ConfigError(_NO_STORE.format(config=settings.files.config))
        gaps: list[str] = []
        described = _described(wish, files, gaps)
        learned = await learn(metrics, settings.clock, tell)
        platform = Platform(metrics, settings.clock, cluster_of(settings, stack), described, gaps)
        services = await platform.services(learned, tell)
        names = sorted({each.name for each in services} | set(learned.roles()))
        labels = await _log_labels(settings, stack, names, gaps, tell)
    proposed = propose(files, learned.proposals, services)
    written: list[Path] = []
    if not wish.dry_run and (proposed.first or wish.apply):
        written = write(files, proposed)
        if config is not None:
            config.write_text(
                _CONFIG.format(
                    metrics=files.metrics, services=files.services, labels=_as_keys(labels)
                ),
                "utf-8",
            )
            written.append(config)
    told = _labels_told(settings, labels, len(names))
    return report_of(learned, proposed, gaps, written, _next(settings, wish, proposed), told)


async def _log_labels(
    settings: Settings,
    stack: AsyncExitStack,
    services: Sequence[str],
    gaps: list[str],
    tell: Callable[[str], None],
) -> LogLabels | None:
    """Return how the log store labels its streams, None without one or when it does not say."""
    logs = logs_of(settings, stack)
    store: object = default_of(logs) if logs is not None else None
    if not isinstance(store, TellsLabels):
        return None
    tell("asking the log store how it names services")
    try:
        values = await store.label_values(Window.ending(settings.clock.now(), LOGS_OF))
    except BackendError as error:
        gaps.append(f"how the log store names services: {error}")
        return None
    return log_labels(values, services)


def _as_keys(labels: LogLabels | None) -> str:
    """Return the lines of `loki:` that name the labels, in a configuration that is written anew."""
    if labels is None:
        return ""
    named = {"service_label": labels.service, "level_label": labels.level}
    return "".join(f"\n  {key}: {label}" for key, label in named.items() if label)


def _labels_told(settings: Settings, labels: LogLabels | None, services: int) -> str:
    """Return how the log store names services, and what to write where the settings differ."""
    if labels is None:
        return ""
    if not labels.service:
        return "no label of the log store names a service that is known"
    told = f"label {labels.service!r} names {labels.named} of {services} services"
    ours = next(iter(settings.loki.values()))
    wrong = {
        "loki.service_label": (labels.service, ours.service_label),
        "loki.level_label": (labels.level, ours.level_label),
    }
    write = [f"{key}: {right}" for key, (right, now) in wrong.items() if right and right != now]
    return f"{told}; write {', '.join(write)}" if write else told


def _places(settings: Settings, wish: InitWish) -> tuple[CatalogueFiles, Path | None]:
    """Return the files of the catalogue, and a config.yaml that a new folder needs."""
    ours = settings.files
    if wish.folder is None:
        return CatalogueFiles(ours.metrics, ours.services), None
    files = CatalogueFiles(wish.folder / "metrics.yaml", wish.folder / "services.yaml")
    config = wish.folder / "config.yaml"
    return files, None if config.exists() else config


def _described(wish: InitWish, files: CatalogueFiles, gaps: list[str]) -> Sequence[Described]:
    """Return the components that Backstage's files describe; a named place must be there."""
    place = wish.backstage
    if place is not None and not place.exists():
        raise ConfigError(f"--catalog-info {str(place)!r} does not exist")
    near = [Path("catalog-info.yaml"), files.services.parent / "catalog-info.yaml"]
    paths = find_files(place) if place is not None else [each for each in near if each.is_file()]
    found: list[Described] = []
    for path in dict.fromkeys(paths):
        try:
            found += read_components(path)
        except BackstageError as error:
            gaps.append(f"catalog-info was not read: {error}")
    return found


def _next(settings: Settings, wish: InitWish, proposed: ProposedFiles) -> list[str]:
    folder = f" {shlex.quote(str(wish.folder))}" if wish.folder is not None else ""
    config = wish.folder / "config.yaml" if wish.folder is not None else settings.files.config
    named = "" if config == Path("config/config.yaml") else f"SRE_AGENT_CONFIG={config} "
    if wish.dry_run and proposed.first:
        return [f"{_python()} -m bot init{folder}"]
    ask = f'{named}{_python()} -m bot ask "{FIRST_QUESTION}"'
    settled = proposed.first or wish.apply or proposed.nothing
    return [ask] if settled else [f"{_python()} -m bot init{folder} --apply", ask]


def _python() -> str:
    """Return the interpreter as a person types it here: `.venv/bin/python`, where that runs."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else "python"
