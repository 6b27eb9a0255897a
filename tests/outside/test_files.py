"""Files and variables as people really write them: pasted twice, exported by tools, full of YAML.

Sources, read in November 2026: the YAML 1.1 and 1.2 specifications and the public "Norway problem";
Kubernetes and Helm issues of values that became octal, boolean or a number; reports of bombs of
nested anchors, of files saved with a byte order mark or in Latin-1, of duplicate keys of which the
last silently won.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.settings import ConfigError, Settings, load_settings
from foundation.yaml_file import YamlFileError, parse_yaml
from knowledge.documents import DocumentError, parse_document
from playbooks.loader import PlaybookError, load_file
from tools.act.actions import ACTIONS
from tools.metrics_and_services import CatalogueError, load_metrics, load_services
from tools.rules import RuleError, load_rules

TWICE = """app: {environment: staging}
auto_remediation:
  dry_run: true            # safety switch written by the platform team
  max_concurrent_actions: 1
access:
  approver: [S0APPROVER1]
# 200 lines further down, pasted from another repository
auto_remediation:
  cooldown_minutes: 15
"""
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
ITSELF = "a: &a\n  b: *a\n"
DEEP = "[" * 5000 + "]" * 5000


def load(folder: Path, content: str | bytes, **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return load_settings({"SRE_AGENT_CONFIG": str(path), **environ})


def read_config(path: Path) -> Any:
    return load_settings({"SRE_AGENT_CONFIG": str(path)})


def read_document(path: Path) -> Any:
    return parse_document(f"---\n{path.read_text('utf-8')}\n---\n# Title\n", path.name)


LOADERS = {
    "config": (read_config, ConfigError),
    "metrics": (load_metrics, CatalogueError),
    "services": (load_services, CatalogueError),
    "rules": (load_rules, RuleError),
    "playbook": (lambda path: load_file(path, ACTIONS), PlaybookError),
    "document": (read_document, DocumentError),
    "plain": (lambda path: parse_yaml(path.read_text("utf-8"), path.name), YamlFileError),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", [BOMB, ITSELF, DEEP], ids=["bomb", "itself", "deep"])
def test_what_unfolds_without_end_is_refused_at_once_by_every_loader(
    tmp_path: Path, loader: str, text: str
) -> None:
    read, error = LOADERS[loader]
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=path.name):
        read(path)  # the bomb is 9⁸ values: whoever unfolds it is not here to tell


@pytest.mark.parametrize("loader", LOADERS)
def test_a_key_that_is_written_twice_is_refused_with_both_lines(
    tmp_path: Path, loader: str
) -> None:
    read, error = LOADERS[loader]
    path = tmp_path / "file.yaml"
    path.write_text(TWICE, encoding="utf-8")
    shift = 1 if loader == "document" else 0  # its front matter begins below the first ---
    wanted = rf":{8 + shift}:1: 'auto_remediation' is written twice, first in line {2 + shift}"
    with pytest.raises(error, match=wanted):
        read(path)


VERBATIM = (
    "#ops", "0123", "null", "~", "true", "no", "1e3", "0x10", "1.10", "[a]", "{a: b}", "a: b",
    "*x", "&x", "!x", "- a", "'q'", '"', "@x", " x ", "%TAG", "|", "2026-11-20", "=", "<<",
)  # fmt: skip


@pytest.mark.parametrize("value", VERBATIM)
def test_a_variable_is_taken_as_it_stands(tmp_path: Path, value: str) -> None:
    named = load(
        tmp_path,
        "prometheus: {url: 'http://p'}\nslack: {channels: {default_incidents: '${CHANNEL}'}}",
        SRE_AGENT_PROMETHEUS__TENANT=value,
        CHANNEL=value,
    )
    assert named.prometheus["default"].tenant == value
    assert named.document.slack.channels.default_incidents == value


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfapp: {locale: zh}\r\n",  # a byte order mark
        "app:\r\n  locale: zh\r\n",
        '{"app": {"locale": "zh"}}',
        "app: {<<: {locale: zh}}",
        "%YAML 1.2\n---\napp: {locale: zh}\n",
        "app: {locale: zh}  # 注释\n...\n",
    ],
)
def test_what_editors_and_tools_write_is_read(tmp_path: Path, content: str | bytes) -> None:
    assert load(tmp_path, content).installation.locale == "zh"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"app: {name: caf\xe9}", "not UTF-8"),
        ("app: {locale: zh}\n---\napp: {}\n", "a second document"),
        ("app: {name: \x00}", "cannot be printed"),
        ("app:\n\tlocale: zh\n", "indent with spaces"),
        ("app: {version: 1.10}", "app.version"),
        ("api: {port: 0120}", "octal to some readers"),
        ("anomaly_detection: {zscore_threshold: .inf}", "no number to compare with"),
        ("api: {port: true}", "api.port"),
        # crops-parser #48: Norway, in a list of countries, became false.
        ("auto_remediation: {blacklist: {namespaces: [no, 0120]}}", "octal|no text|string"),
        ("- app\n", "config.yaml"),
        ("app: staging\n", "app"),
    ],
)
def test_what_readers_take_for_different_things_is_refused_with_its_place(
    tmp_path: Path, content: str | bytes, why: str
) -> None:
    with pytest.raises(ConfigError, match=why) as refused:
        load(tmp_path, content)
    assert "config.yaml" in str(refused.value)


@pytest.mark.parametrize("content", ["", "# nothing yet\n", "app:\nslack:\n", "---\n", "{}"])
def test_a_file_without_values_is_all_defaults(tmp_path: Path, content: str) -> None:
    assert load(tmp_path, content).api == load(tmp_path, "{}").api
