"""Every key is told where people look, acts, and has one default: that of its dataclass."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
import yaml
from pydantic import BaseModel, SecretStr

from bot.core.detection.alert_config import AlertConfig
from bot.core.detection.cycle import CycleConfig
from bot.core.detection.learning import LearningConfig
from bot.core.ports import VERSION, Budget, FileLayout, Installation
from bot.core.reports.digests import DigestSchedule
from bot.domain.access import OPEN_TO_READ, AccessConfig
from bot.domain.plans.policy import PolicyConfig
from bot.domain.plans.risk import RiskConfig
from bot.settings import ConfigDocument, Settings, load_settings, slack_config
from bot.settings.document import RETIRED
from bot.slack.config import SlackConfig
from bot.store.anchors import AnchorConfig, head_file_beside
from bot.telemetry import LogConfig
from tests.architecture.source import sources
from tests.fixtures.profile import CONFIG
from tests.unit.settings.keys import NOTHING, ROOT, Key, accepted, documented, has, shipped
from tools.analysis.detect import DetectorSettings
from tools.backends.http import HttpConfig
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.loki import LokiConfig
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tracing import TracingConfig
from tools.backends.transport import Connection
from tools.backends.webhook import WebhookConfig

KEYS = {key.name: key for key in accepted()}
NO_LONGER_ACT = {".".join(keys) for keys in RETIRED}
SECRET = "a-secret-of-the-tests"
ENVIRON = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "AUDIT_ANCHOR_SECRET": "shared",
    "KUBECONFIG": "reader.yaml",
    "SECRET": SECRET,
    "HOOK": "https://hooks.example/x",
}
EVERYTHING_ON: dict[str, Any] = {  # a key of what is off shows nothing
    "prometheus": {"url": "http://prometheus", "grafana_datasource": "P1"},
    "loki": {"url": "http://loki", "grafana_datasource": "P2"},
    "tracing": {"url": "http://tempo"},
    "alertmanager": {"url": "http://alertmanager"},
    "links": {"grafana_url": "http://grafana"},
    "llm": {"api_key": "${SECRET}"},
    "kubernetes": {"clusters": {"us-1": {"kubeconfig": "us-1.yaml", "act_kubeconfig": "act.yaml"}}},
    "notification": {"webhook": {"url": "${HOOK}"}, "heartbeat": {"url": "${HOOK}"}},
}


def load(folder: Path, tree: dict[str, Any], **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_settings({"SRE_AGENT_CONFIG": str(path), **environ})


def effect(folder: Path, tree: dict[str, Any]) -> dict[str, Any]:
    """Return all that follows from a document, without the document itself."""
    found = load(folder, tree, **ENVIRON)
    left_out = {"document", "clock", "redactor"}
    told = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in left_out}
    return told | {"room": slack_config(found, "test:1")}


def with_key(tree: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return a tree in which a key has a value; None leaves it out."""
    first, _, rest = key.partition(".")
    first = next(iter(tree)) if first == "<name>" else first
    changed = dict(tree)
    if rest:
        return changed | {first: with_key(changed.get(first) or {}, rest, value)}
    changed.pop(first, None)
    return changed if value is None else changed | {first: value}


# ------------------------------------------------------------------------- where keys are told


def test_the_documentation_tells_exactly_the_keys_that_are_accepted() -> None:
    assert documented().keys() == KEYS.keys()


def test_the_shipped_file_shows_every_key_that_can_act() -> None:
    tree = shipped()
    told_by_prometheus = {
        f"{backend}.{key.removeprefix('prometheus.')}"
        for key in KEYS
        for backend in ("loki", "tracing", "alertmanager")
        if has(tree, key)
    }
    missing = {key for key in KEYS if not has(tree, key)} - told_by_prometheus - NO_LONGER_ACT
    assert missing == set()


def test_the_shipped_file_may_be_used_with_all_its_comments_taken_away(tmp_path: Path) -> None:
    assert load(tmp_path, shipped(), SRE_AGENT_PROMETHEUS__URL="http://p").prometheus


# ------------------------------------------------------------------------- one default


@pytest.mark.parametrize("key", KEYS)
def test_saying_the_documented_default_changes_nothing(tmp_path: Path, key: str) -> None:
    default = documented()[key]
    if default == NOTHING:
        kinds = KEYS[key].kinds
        assert kinds & {str, SecretStr} or key in NO_LONGER_ACT, "a number has a default"
        default = None if key in NO_LONGER_ACT else ""
    without = with_key(EVERYTHING_ON, key, None)
    assert effect(tmp_path, with_key(without, key, default)) == effect(tmp_path, without)


def test_an_empty_document_is_the_defaults_of_the_dataclasses(tmp_path: Path) -> None:
    found = load(tmp_path, {})
    assert found.installation == Installation()
    assert found.files == FileLayout(config=tmp_path / "config.yaml")
    assert found.log == LogConfig()
    assert found.policy == PolicyConfig()
    assert found.risk == RiskConfig()
    assert found.access == AccessConfig(OPEN_TO_READ)
    assert found.budget == Budget()
    assert found.detector == DetectorSettings()
    assert found.cycle == CycleConfig()
    assert found.alerts == AlertConfig()
    assert found.learning == LearningConfig()
    assert found.digest == DigestSchedule()
    assert found.http_actions == HttpConfig()
    beside = head_file_beside(found.files.audit_key, found.files.database_url)
    assert found.audit_anchor == AnchorConfig(head_file=beside)
    assert found.default_cluster == KubernetesConfig().name


def test_a_bare_address_is_the_defaults_of_its_adapter(tmp_path: Path) -> None:
    names = ("prometheus", "loki", "tracing", "alertmanager")
    tree = {name: {"url": f"http://{name}"} for name in names}
    found = load(tmp_path, tree | {"notification": {"webhook": {"url": "${HOOK}"}}}, **ENVIRON)
    url, link = "http://prometheus", "http://prometheus"
    expected = PrometheusConfig(url=url, section="prometheus", link_base=link)
    assert found.prometheus == {"default": expected}
    assert found.loki == {"default": LokiConfig(url="http://loki", section="loki")}
    assert found.tracing == TracingConfig(url="http://tracing", section="tracing")
    assert found.alertmanager == Connection(url="http://alertmanager", section="alertmanager")
    assert found.clusters == {"default": KubernetesConfig(kubeconfig="reader.yaml")}
    setting = "notification.webhook.url (WEBHOOK_URL)"
    assert found.webhook == WebhookConfig(url=ENVIRON["HOOK"], setting=setting)
    room = SlackConfig(
        "xoxb-1", "test:1", app_token="xapp-1", default_timezone=DigestSchedule().timezone
    )
    assert slack_config(found, "test:1") == room


def test_no_protected_namespace_is_lost_where_the_list_has_no_value(tmp_path: Path) -> None:
    found = load(tmp_path, {"auto_remediation": {"blacklist": {"namespaces": "${NOT_SET}"}}})
    assert found.policy.protected_namespaces == ("kube-system",)


def models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for field in model.model_fields.values():
        for kind in Key("", field).kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= models(kind)
    return found


def test_no_model_of_the_document_has_a_default_of_its_own() -> None:
    wrong = [
        f"{model.__name__}.{name}"
        for model in models(ConfigDocument)
        for name, field in model.model_fields.items()
        if (default := field.get_default(call_default_factory=True)) not in (None, {})
        and not (isinstance(default, BaseModel) and default == type(default)())
    ]
    assert wrong == []


def is_literal(node: ast.expr | None) -> bool:
    """Say whether a node is a value that somebody chose: not None, empty, or a yes or no."""
    try:
        return node is not None and ast.literal_eval(node) not in (None, "", (), [], {}, False)
    except ValueError:
        return False


def chosen_values(tree: ast.AST) -> list[int]:
    """Return the lines on which a value stands in for one that nobody said."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
            found += [value for value in node.values if is_literal(value)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            found += node.args[1:] if node.func.attr in {"get", "getenv", "pop"} else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            is_field = node.func.id in {"Field", "field"}
            found += node.args[:1] if is_field else []
            found += [k.value for k in node.keywords if is_field and k.arg == "default"]
        elif isinstance(node, ast.ClassDef):
            found += [each.value for each in node.body if isinstance(each, ast.AnnAssign)]
        elif isinstance(node, ast.FunctionDef):
            found += [*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
    return [node.lineno for node in found if node is not None and is_literal(node)]


def test_no_default_stands_in_the_settings() -> None:
    wrong = [
        f"{source.path}:{line}"
        for source in sources("bot/settings")
        for line in chosen_values(ast.parse(source.text))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    [
        'path = found.get("X") or "config.yaml"',
        'path = found.get("X", "config.yaml")',
        "class A:\n    turns: int = 3",
        "class A(B):\n    turns: int | None = Field(3, gt=0)",
        "class A:\n    turns: int = field(default=3)",
        "def build(turns: int = 3) -> None: ...",
    ],
)
def test_a_default_in_the_settings_would_be_seen(line: str) -> None:
    assert chosen_values(ast.parse(line))


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


# ------------------------------------------------------------------------- every key acts

ANOTHER: dict[str, Any] = {  # where one more, or another word, would be refused
    "baseline.holidays": ["2026-12-25"],
    "app.environment": "staging",
    "anomaly_detection.algorithms": ["zscore", "mad"],
    "slack.digest.timezone": "Europe/Berlin",
    "slack.channels.locales": {"#asia": "zh"},
    "access.channels": {"#payments": {"approver": ["U1"]}},
    "access.services": {"wallet": {"approver": ["U1"]}},
    "prometheus.instances": {"us": {"url": "http://us"}},
    "loki.instances": {"us": {"url": "http://us"}},
    "alerts.severity": {"nuisance": "low"},
    "risk_assessment.categories": {"money": 1.0},
    "kubernetes.clusters": {"eu-1": {"kubeconfig": "eu-1.yaml"}},
    "tracing.link_url": "http://traces/{trace_id}",
    "notification.webhook.url": "${HOOK}",
    "notification.heartbeat.url": "${HOOK}",
    "audit.anchor.webhook_url": "${HOOK}",
    "audit.anchor.config_map": "sre-agent/audit",
}
TOGETHER: dict[str, dict[str, Any]] = {  # keys that are refused alone
    ".basic.username": {".basic.password": "${SECRET}"},
    ".basic.password": {".basic.username": "bot"},
    ".tls.client_key_file": {".tls.client_cert_file": "cert.pem"},
    "weights.severity": {"weights.urgency": 0.24},
    "weights.urgency": {"weights.impact": 0.24},
    "weights.impact": {"weights.complexity": 0.14},
    "weights.complexity": {"weights.severity": 0.34},
}
ONE_CHOICE = "llm.provider"


def another(key: Key, default: Any) -> Any:
    """Return a value that is not the default."""
    if key.name in ANOTHER:
        return ANOTHER[key.name]
    kinds = key.kinds
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Enum):
            return next(each.value for each in kind if each.value != default)
    if choices := [c for c in get_args(key.field.annotation) if _is_choice(c)]:
        return next(each for each in get_args(choices[0]) if each != default)
    if SecretStr in kinds:
        return "${SECRET}"
    if tuple in kinds:
        return ["another"]
    if bool in kinds:
        return not default
    if kinds & {int, float}:
        start = 4 if default == NOTHING else default
        return start + 1 if int in kinds else round(start + 0.01, 4)
    return "http://another" if key.name.endswith("url") else "another"


def _is_choice(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is Literal


def companions(key: str) -> dict[str, Any]:
    """Return the keys without which this one is refused."""
    for end, others in TOGETHER.items():
        if key.endswith(end):
            return {f"{key.removesuffix(end)}{other}": value for other, value in others.items()}
    return {}


@pytest.mark.parametrize("key", [key for key in KEYS if key != ONE_CHOICE])
def test_every_key_acts(tmp_path: Path, key: str) -> None:
    without = with_key(EVERYTHING_ON, key, None)
    changed = with_key(without, key, another(KEYS[key], documented()[key]))
    for other, value in companions(key).items():
        changed = with_key(changed, other, value)
        if not re.search(r"basic|weights", other):  # those are refused without this key
            without = with_key(without, other, value)
    assert effect(tmp_path, changed) != effect(tmp_path, without)


def test_the_one_key_without_a_choice_has_none() -> None:
    (choices,) = (c for c in get_args(KEYS[ONE_CHOICE].field.annotation) if _is_choice(c))
    assert get_args(choices) == (documented()[ONE_CHOICE],)


# ------------------------------------------------------------------------- what is shipped


def differences(one: Settings, other: Settings) -> set[str]:
    """Return where two settings differ, the document and what is never alike left out."""
    left_out = {"document", "clock", "redactor", "files"}
    return {
        field.name
        for field in fields(one)
        if field.name not in left_out and getattr(one, field.name) != getattr(other, field.name)
    }


def test_the_shipped_file_repeats_the_defaults_and_names_nobody(tmp_path: Path) -> None:
    plain = load(tmp_path, {})
    found = load_settings({"SRE_AGENT_CONFIG": str(ROOT / "config" / "config.yaml")})
    assert differences(found, plain) == set()
    assert found.files == FileLayout(config=found.files.config)


def test_a_profile_adds_its_people_what_is_protected_and_what_rides_on_what(tmp_path: Path) -> None:
    plain = load(tmp_path, {})
    found = load_settings({"SRE_AGENT_CONFIG": str(CONFIG)})
    assert differences(found, plain) == {"policy", "access", "risk", "installation"}
    assert found.policy.protected_namespaces == ("kube-system", "wallet", "funds")
    assert replace(found.policy, protected_namespaces=("kube-system",)) == plain.policy
    assert replace(found.installation, platform=plain.installation.platform) == plain.installation


def test_a_copied_example_of_the_environment_changes_nothing(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    filled = dict(re.findall(r"^([A-Z0-9_]+)=(.*)$", text, re.MULTILINE))
    assert filled.pop("SRE_AGENT_CONFIG") == str(FileLayout().config)
    assert differences(load(tmp_path, {}, **filled), load(tmp_path, {})) == set()
    assert load(tmp_path, {}, **filled).files == load(tmp_path, {}).files


def test_a_file_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    old = Path(__file__).parent / "config_before_issue_8.yaml"
    found = load_settings({"SRE_AGENT_CONFIG": str(old)})
    assert differences(found, load(tmp_path, {})) == {"policy", "access"}
    assert found.policy.protected_namespaces == ("kube-system", "wallet")
    assert found.retired == {}
