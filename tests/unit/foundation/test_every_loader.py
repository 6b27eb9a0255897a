"""Every file of ours goes through the one reader: what it refuses, each loader refuses."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import locale
from bot.settings import ConfigError, load_settings
from knowledge.documents import DocumentError, parse_document, read_document
from playbooks.loader import PlaybookError, load_file
from tools.act.actions import ACTIONS
from tools.act.contract import parse_parameters
from tools.errors import BadArgumentError
from tools.metrics_and_services import CatalogueError, load_metrics, load_services
from tools.rules import RuleError, load_rules

PLAYBOOK = """\
id: restart
name: Restart
description: Restart a pod
trigger_conditions: [OOMKilled]
steps:
  - {name: Restart, action: pod_restart, target: "{{ target_pod }}"}
"""


def read_markdown(path: Path) -> object:
    return read_document(path, str(path))


def read_playbook(path: Path) -> object:
    return load_file(path, ["pod_restart"])


def read_configuration(path: Path) -> object:
    return load_settings({"SRE_AGENT_CONFIG": str(path)})


LOADERS: list[tuple[Callable[[Path], object], type[Exception]]] = [
    (load_metrics, CatalogueError),
    (load_services, CatalogueError),
    (load_rules, RuleError),
    (read_playbook, PlaybookError),
    (read_markdown, DocumentError),
    (read_configuration, ConfigError),
]
TWINS = [
    (
        "a: {m: {query: up, unit: s, description: d}}\n", "a: {}\n",
        ":2:1: 'a' is written twice, first in line 1",
    ),
    (
        "shop:\n  namespace: shop\n  protected: true\n", "  protected: false\n",
        ":4:3: 'protected' is written twice, first in line 3",
    ),
    (
        "- id: a\n  root_cause: x\n  condition: {primary_metric: cpu}\n", "  root_cause: y\n",
        ":4:3: 'root_cause' is written twice, first in line 2",
    ),
    (PLAYBOOK, "name: Another\n", ":7:1: 'name' is written twice, first in line 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("loader", "case"),
    list(zip(LOADERS[:4], TWINS, strict=True)),
    ids=["metrics", "services", "rules", "playbook"],
)
def test_a_key_that_stands_twice_is_refused_with_both_lines(
    tmp_path: Path,
    loader: tuple[Callable[[Path], object], type[Exception]],
    case: tuple[str, str, str],
) -> None:
    (read, error), (good, twin, told) = loader, case
    path = tmp_path / "f.yaml"
    path.write_text(good, encoding="utf-8")
    read(path)
    path.write_text(good + twin, encoding="utf-8")
    with pytest.raises(error) as caught:
        read(path)
    assert str(caught.value) == f"{path}{told}; keep one of them"


def test_a_field_that_stands_twice_in_front_matter_is_refused_with_both_lines() -> None:
    text = "---\nid: a\ntitle: A\nkind: runbook\nid: b\n---\nText\n"
    with pytest.raises(DocumentError, match=r"^a\.md:5:1: 'id' is written twice, first in line 2;"):
        parse_document(text, "a.md")


@pytest.mark.parametrize(
    ("read", "error"),
    [(read, error) for read, error, *_ in LOADERS],
    ids=lambda each: each.__name__,
)
def test_an_alias_that_grows_is_refused_by_every_loader(
    tmp_path: Path, read: Callable[[Path], object], error: type[Exception]
) -> None:
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    path = tmp_path / "f.yaml"
    path.write_text(f"---\n{laughs}---\nText\n" if read is read_markdown else laughs, "utf-8")
    with pytest.raises(error, match="more than 200000 keys and values"):
        read(path)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _circle(path: Path) -> None:
    path.symlink_to(path)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"---\n")
        file.truncate(3_000_000_000)  # without a block on the disk


@pytest.mark.parametrize("make", [Path.mkdir, _pipe, _circle, _huge])
@pytest.mark.parametrize(
    ("read", "error"),
    [(read, error) for read, error, *_ in LOADERS],
    ids=lambda each: each.__name__,
)
def test_what_is_no_file_or_has_no_end_is_refused_by_every_loader(
    tmp_path: Path,
    read: Callable[[Path], object],
    error: type[Exception],
    make: Callable[[Path], None],
) -> None:
    path = tmp_path / "f.yaml"
    make(path)
    with pytest.raises(error, match=r"f\.yaml.*(cannot be read|larger than|longer than)"):
        read(path)


def test_a_date_of_front_matter_is_one_with_or_without_quotes_and_a_time() -> None:
    text = "---\nid: a\ntitle: A\nkind: runbook\ndate: {date}\n---\nText\n"
    for written in ("2026-03-02", "'2026-03-02'", "2026-03-02T10:00:00Z", "2026-03-02 10:00"):
        assert parse_document(text.replace("{date}", written), "a.md").date == "2026-03-02"
    for wrong in ("2026-02-30", "20260302", "2026", "March 2nd"):
        with pytest.raises(DocumentError, match=r"^a\.md:5:1: date must look like 2026-03-02"):
            parse_document(text.replace("{date}", wrong), "a.md")


@pytest.mark.parametrize("word", ["no", "off", "010", ".nan", "false", "true"])
def test_no_word_makes_a_dangerous_playbook_a_harmless_one(tmp_path: Path, word: str) -> None:
    path = tmp_path / "restart.yaml"
    path.write_text(f"{PLAYBOOK}risk_override: {word}\n", encoding="utf-8")
    with pytest.raises(PlaybookError, match=r"restart\.yaml:7:"):
        read_playbook(path)


def test_a_default_is_the_text_that_stands_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "restart.yaml"
    written = {"version": "1.10", "flag": "no", "count": "3", "word": "'007'", "sure": "true"}
    lines = (f"  {name}: {{description: d, default: {text}}}" for name, text in written.items())
    path.write_text(PLAYBOOK + "parameters:\n" + "\n".join(lines), encoding="utf-8")
    parameters = load_file(path, ["pod_restart"]).playbook.parameters
    assert {name: each.default for name, each in parameters.items()} == {
        "version": "1.10", "flag": "no", "count": "3", "word": "007", "sure": "true",
    }  # fmt: skip


def test_a_text_of_a_person_is_never_a_bool() -> None:
    for language in locale.LANGUAGES:
        texts = locale.Texts(language)
        keys = texts.keys()
        assert all(texts.raw(key) not in {"True", "False", "None"} for key in keys)


@pytest.mark.parametrize("word", ["true", "false"])
@pytest.mark.parametrize(
    ("read", "error", "text"),
    [
        (
            load_metrics,
            CatalogueError,
            "a: {m: {query: x, unit: s, description: x, threshold: #}}",
        ),
        (read_configuration, ConfigError, "api: {port: #}"),
        (read_configuration, ConfigError, "anomaly_detection: {zscore_threshold: #}"),
    ],
    ids=["metrics", "port", "threshold"],
)
def test_a_flag_is_no_number(
    tmp_path: Path, read: Callable[[Path], object], error: type[Exception], text: str, word: str
) -> None:
    path = tmp_path / "f.yaml"
    path.write_text(text.replace("#", word), encoding="utf-8")
    with pytest.raises(error, match=f"a number is wanted here, not {word}"):
        read(path)


def test_a_flag_is_no_number_of_an_action() -> None:
    with pytest.raises(BadArgumentError, match="a number is wanted here, not true"):
        parse_parameters(ACTIONS["pod_restart"], {"grace_period": True})
    drain = parse_parameters(ACTIONS["drain"], {"evict_bare_pods": True})
    assert drain.model_dump()["evict_bare_pods"] is True
