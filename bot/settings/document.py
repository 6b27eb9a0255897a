"""The configuration document: what config.yaml may say, checked key by key.

    YAML text --parse--> tree with lines --expand ${VAR:-default}--> --validate--> Document

Variables are expanded after parsing, in whole string leaves, so that a value can never inject
YAML. An unset `${VAR}` without default is null: not configured. An error names file, line, key,
value and the nearest valid name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic.fields import FieldInfo

from bot.settings.backend_sections import Kubernetes, Links, Loki, Prometheus, Section, Tracing

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class ConfigError(ValueError):
    """The configuration is wrong; the message names the place, the value and the next step."""


class _Place(NamedTuple):
    """Where a document stands: its file and its tree with lines."""

    path: Path
    node: Any


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"{name!r} is no time zone; use an IANA name such as Europe/Berlin"
        ) from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Share = Annotated[float, Field(ge=0, le=1)]


class App(Section):
    """The process itself."""

    name: str = "sre-agent"
    version: str = "0.1.0"
    environment: Literal["development", "staging", "production"] = "development"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    locale: Literal["en", "zh"] = "en"


class Llm(Section):
    """The language model."""

    provider: Literal["anthropic"] = "anthropic"
    model: str = "claude-sonnet-5-5"
    api_key: SecretStr | None = None
    max_tokens: int = Field(4096, ge=256)
    temperature: float | None = None  # accepted, can no longer act: see RETIRED
    timeout_seconds: float = Field(90, gt=0)


class BaselineSection(Section):
    """How baselines are learned."""

    min_history_days: float = Field(7, gt=0)
    optimal_history_days: float = Field(30, gt=0)
    learning_interval_hours: float = Field(24, gt=0)


class AnomalyDetection(Section):
    """The detector."""

    check_interval_seconds: float = Field(60, ge=5)
    zscore_threshold: float = Field(3.0, gt=0)
    mad_threshold: float = Field(3.5, gt=0)
    ensemble_min_votes: int = Field(2, ge=1)
    algorithms: tuple[str, ...] = ("zscore", "mad", "isolation_forest")


class Weights(Section):
    """Weights of the four risk dimensions; they sum to 1."""

    severity: Share = 0.35
    urgency: Share = 0.25
    impact: Share = 0.25
    complexity: Share = 0.15


class Thresholds(Section):
    """Cuts between the tiers."""

    auto: Share = 0.4
    semi_auto: Share = 0.6
    manual: Share = 0.8


class RiskAssessment(Section):
    """How risk becomes a tier."""

    weights: Weights = Weights()
    thresholds: Thresholds = Thresholds()


class Blacklist(Section):
    """What no action may touch."""

    namespaces: tuple[str, ...] = ("kube-system",)
    labels: tuple[str, ...] = ("do-not-remediate=true",)


class AutoRemediation(Section):
    """Whether and how actions run."""

    enabled: bool = True
    dry_run: bool = False
    auto_tier: Literal["ask", "run"] = "ask"
    max_concurrent_actions: int = Field(3, ge=1)
    cooldown_minutes: float = Field(5, ge=0)
    blacklist: Blacklist = Blacklist()
    requester_counts: bool = True
    break_glass: bool = False
    expiry_minutes: float = Field(30, gt=0)  # wall time
    max_pods_affected: int = Field(20, ge=1)
    http_hosts: tuple[str, ...] = ()  # hosts that http_call may reach
    http_private_hosts: tuple[str, ...] = ()  # of those, the ones with private addresses


class Webhook(Section):
    """A webhook told besides Slack."""

    url: SecretStr | None = None
    timeout_seconds: float = Field(10, gt=0)


class Notification(Section):
    """Notifications outside Slack."""

    webhook: Webhook = Webhook()


class Anchoring(Section):
    """Where the end of the audit chain is written down besides the database."""

    file: str | None = None  # appended to; best on a disk that the bot's host cannot rewrite
    webhook_url: SecretStr | None = None  # gets a POST signed with AUDIT_ANCHOR_SECRET
    every_minutes: float = Field(10, gt=0)  # wall time


class AuditSection(Section):
    """The audit chain."""

    anchor: Anchoring = Anchoring()


class Api(Section):
    """The HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    workers: int | None = None  # accepted, can no longer act: see RETIRED


class SlackChannels(Section):
    """Where the bot speaks by itself."""

    default_incidents: str = "#incidents"
    digest: str = "#sre-digest"
    locales: dict[str, Literal["en", "zh"]] = Field(default_factory=dict)  # "#channel": language


class SlackDigest(Section):
    """When the digest is told."""

    cron: str = "0 9 * * mon-fri"
    timezone: Zone = "UTC"


class Slack(Section):
    """Slack."""

    channels: SlackChannels = SlackChannels()
    digest: SlackDigest = SlackDigest()
    link_hosts: tuple[str, ...] = ()  # hosts that links in messages may name


class Access(Section):
    """Who holds which role: user groups (S…), people (U…) or "*" for every full member."""

    viewer: tuple[str, ...] = ("*",)
    responder: tuple[str, ...] = ()
    approver: tuple[str, ...] = ()
    admin: tuple[str, ...] = ()
    channels: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)
    services: dict[str, dict[str, tuple[str, ...]]] = Field(default_factory=dict)


class TurnBudget(Section):
    """What one question may cost."""

    max_steps: int = Field(12, ge=2)
    max_tokens: int = Field(200_000, ge=1000)
    seconds: float = Field(180, gt=0)
    usd: float = Field(1.0, ge=0)


class Budgets(Section):
    """What all questions may cost."""

    turn: TurnBudget = TurnBudget()
    person_usd_per_day: float = Field(10.0, ge=0)
    team_usd_per_day: float = Field(50.0, ge=0)
    day_usd: float = Field(100.0, ge=0)


class Knowledge(Section):
    """The knowledge base."""

    export_dir: str | None = None  # where published postmortems are written


class Paths(Section):
    """Files the bot reads besides config.yaml."""

    metrics: str = "config/metrics.yaml"
    services: str = "config/services.yaml"
    rca_rules: str = "config/rca_rules.yaml"
    playbooks: tuple[str, ...] = ("playbooks/library",)
    tools: tuple[str, ...] = ()  # folders of modules with tools of your own
    actions: tuple[str, ...] = ()  # folders of modules with actions of your own


class Document(Section):
    """Everything config.yaml may say."""

    app: App = App()
    prometheus: Prometheus = Prometheus()
    loki: Loki = Loki()
    links: Links = Links()
    tracing: Tracing = Tracing()
    kubernetes: Kubernetes = Kubernetes()
    llm: Llm = Llm()
    baseline: BaselineSection = BaselineSection()
    anomaly_detection: AnomalyDetection = AnomalyDetection()
    risk_assessment: RiskAssessment = RiskAssessment()
    auto_remediation: AutoRemediation = AutoRemediation()
    notification: Notification = Notification()
    audit: AuditSection = AuditSection()
    api: Api = Api()
    slack: Slack = Slack()
    access: Access = Access()
    budgets: Budgets = Budgets()
    knowledge: Knowledge = Knowledge()
    paths: Paths = Paths()

    @field_validator("*", mode="before")
    @classmethod
    def _empty_section_is_default(cls, value: Any) -> Any:
        return {} if value is None else value


RETIRED: Mapping[tuple[str, ...], str] = {
    ("llm", "temperature"): "Claude's API refuses sampling parameters since 2026-10-21",
    ("api", "workers"): "the API runs inside the bot's one process; scale with replicas",
}


def retired_keys(document: Document) -> dict[str, str]:
    """Return the keys that are said and can no longer act, with the reason."""
    told = {}
    for keys, why in RETIRED.items():
        value: Any = document
        for key in keys:
            value = getattr(value, key)
        if value is not None:
            told[".".join(keys)] = why
    return told


def read_document(path: Path, environ: Mapping[str, str]) -> Document:
    """Read, expand, override and validate. Raises ConfigError with one clear line."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"configuration {str(path)!r} cannot be read ({error.strerror}); "
            "set SRE_AGENT_CONFIG to the file's path"
        ) from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        tree = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected sections at the top, got {type(tree).__name__}")
    _refuse_literal_secrets(tree, Document, _Place(path, node))
    expanded = expand(tree, environ)
    _override(expanded, environ)
    try:
        return Document.model_validate(expanded)
    except ValidationError as error:
        raise ConfigError(_explain(error, path, node)) from error


def expand(value: Any, environ: Mapping[str, str]) -> Any:
    """Expand `${VAR}` and `${VAR:-default}` in every string leaf."""
    if isinstance(value, dict):
        return {key: expand(member, environ) for key, member in value.items()}
    if isinstance(value, list):
        return [expand(member, environ) for member in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _VARIABLE.fullmatch(value)
    if whole and not environ.get(whole[1]) and whole[2] is None:
        return None
    return _VARIABLE.sub(lambda m: environ.get(m[1]) or m[2] or "", value)


def _override(tree: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Lay `SRE_AGENT_<SECTION>__<KEY>` over the tree; values are read as YAML scalars."""
    for name, value in environ.items():
        if not name.startswith("SRE_AGENT_") or "__" not in name:
            continue
        keys = name.removeprefix("SRE_AGENT_").lower().split("__")
        place = tree
        for key in keys[:-1]:
            inner = place.get(key)
            place[key] = inner = dict(inner) if isinstance(inner, dict) else {}
            place = inner
        place[keys[-1]] = _scalar(value)


def _scalar(text: str) -> Any:
    """Read a variable's value as YAML would; what is no YAML (`*/30 * * * *`) is the text."""
    try:
        return yaml.safe_load(text) if text else None
    except yaml.YAMLError:
        return text


def _refuse_literal_secrets(
    tree: Any, model: type[BaseModel], place: _Place, keys: tuple[str, ...] = ()
) -> None:
    """Walk the tree beside the models: where the type is a secret, only a reference may stand."""
    if not isinstance(tree, Mapping):
        return
    for name, field in model.model_fields.items():
        here, value, kinds = (*keys, name), tree.get(name), _kinds(field.annotation)
        if SecretStr in kinds and isinstance(value, str) and not _is_reference(value):
            variable = re.sub(r"\W", "_", "_".join(here)).upper()
            raise ConfigError(
                f"{place.path}:{_line(place.node, here)}: {'.'.join(here)} holds a literal secret; "
                f"write a reference such as ${{{variable}}} and set the variable"
            )
        section = _section(kinds)
        if section is None:
            continue
        if dict in kinds and isinstance(value, Mapping):  # sections by name
            for each, inner in value.items():
                _refuse_literal_secrets(inner, section, place, (*here, str(each)))
        else:
            _refuse_literal_secrets(value, section, place, here)


def _is_reference(value: str) -> bool:
    match = _VARIABLE.fullmatch(value)
    return not value or (match is not None and not match[2])  # a default would be a literal


def _kinds(annotation: Any) -> set[Any]:
    """Return the type, its origin and all inside it: `dict[str, X] | None` has dict and X."""
    found = {annotation, get_origin(annotation)}
    for inner in get_args(annotation):
        if not isinstance(inner, str | FieldInfo):
            found |= _kinds(inner)
    return found


def _section(kinds: set[Any]) -> type[BaseModel] | None:
    return next((k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)), None)


def secrets_of(section: BaseModel) -> list[str]:
    """Return every secret the document holds, so that the redactor knows them."""
    found: list[str] = []
    for value in dict(section).values():
        for each in value.values() if isinstance(value, Mapping) else [value]:
            if isinstance(each, SecretStr):
                found.append(each.get_secret_value())
            elif isinstance(each, BaseModel):
                found += secrets_of(each)
    return found


def variables_of(path: Path) -> set[str]:
    """Return the names a configuration file refers to as `${NAME}`; none when it cannot be read."""
    try:
        return {match[1] for match in _VARIABLE.finditer(path.read_text(encoding="utf-8"))}
    except (OSError, UnicodeDecodeError):
        return set()  # read_document says so better


def _explain(error: ValidationError, path: Path, node: Any) -> str:
    lines = []
    for detail in error.errors(include_url=False):
        keys = tuple(str(part) for part in detail["loc"])
        dotted = ".".join(keys)
        if detail["type"] == "extra_forbidden":
            known = _known_keys(keys[:-1])
            close = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(known)}."
            lines.append(f"{path}:{_line(node, keys)}: unknown key {dotted!r}.{hint}")
        else:
            lines.append(
                f"{path}:{_line(node, keys)}: {dotted}: {detail['msg']}, got {detail['input']!r}"
            )
    return "; ".join(lines)


def _known_keys(keys: tuple[str, ...]) -> list[str]:
    model: Any = Document
    named = False  # the key is a name a person chose, such as that of an instance
    for key in keys:
        if named:
            named = False
            continue
        field = model.model_fields.get(key)
        candidates = [field.annotation, *get_args(field.annotation)] if field else []
        named = bool(field) and get_origin(field.annotation) is dict
        model = next(
            (c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None
        )
        if model is None:
            return []
    return sorted(model.model_fields)


def _line(node: Any, keys: tuple[str, ...]) -> int | str:
    """Return the line of a key in the file, or `env` when only the environment holds it."""
    line: int | str = "env"
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next((p for p in node.value if p[0].value == key), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line
