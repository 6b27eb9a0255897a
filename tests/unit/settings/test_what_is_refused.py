"""What cannot work is refused when the settings are read, so that `check-config` names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.access import Role
from bot.domain.keyring import Keyring
from bot.settings import ConfigError, Settings, keyring_of, load_settings, with_channel_ids


def load(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings({"SRE_AGENT_CONFIG": str(path), **environ})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("risk_assessment: {weights: {severity: 0.9}}", "risk_assessment: risk weights must be"),
        ("risk_assessment: {thresholds: {auto: 0.9}}", "risk_assessment: risk thresholds must"),
        (
            "anomaly_detection: {algorithms: [zscor]}",
            "anomaly_detection: unknown algorithm 'zscor'. Did you mean 'zscore'?",
        ),
        (
            'access: {channels: {"#pay": {aprover: [U1]}}}',
            "access.channels.#pay: 'aprover' is not a valid Role; known roles: viewer, responder",
        ),
        ("access: {services: {pay: {boss: [U1]}}}", "access.services.pay: 'boss' is not a valid"),
        (
            "auto_remediation: {blacklist: {namespaces: [kube-system, wallet-*]}}",
            "'wallet-*' is no namespace's name; write each in full, in small letters",
        ),
        ("auto_remediation: {blacklist: {namespaces: [Wallet]}}", "'Wallet' is no namespace's"),
        (
            'auto_remediation: {blacklist: {labels: ["do-not-remediate: true"]}}',
            "'do-not-remediate: true' is no label; write name=value, or name for any value",
        ),
        (
            "auto_remediation: {http_hosts: [https://ops.example/x]}",
            "'https://ops.example/x' is no host; write HOST or HOST:PORT (1 to 65535)",
        ),
        ("auto_remediation: {http_private_hosts: [ops:0]}", "'ops:0' is no host; write HOST"),
        ("app: {environment: prod}", "'development', 'staging' or 'production', got 'prod'"),
        ("auto_remediation: {auto_tier: yes please}", "Input should be 'ask' or 'run'"),
        ("slack: {digest: {timezone: Berlin}}", "'Berlin' is no time zone; use an IANA name"),
        ("app: []", ":1: app: expected keys with values, such as {a: b}, got []"),
        ("access: {approver: {}}", "access.approver: expected a list, such as [a, b], got {}"),
        ("budgets: {turn: {max_steps: 1}}", ":1: budgets.turn.max_steps: Input should be greater"),
    ],
)
def test_a_value_that_cannot_work_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "api:\n  port: 1\n  port: 2\n",
            "config.yaml:3:3: 'port' is written twice, first in line 2; keep one of them",
        ),
        ("api: [\n", "config.yaml:2:1: not YAML"),
        ("- api\n", "config.yaml:1:1: expected sections at the top, got list"),
        ("api: {port: 08000}\n", "config.yaml:1:13: 08000 is octal to some readers"),
        ("access:\n  admin:\n  - U1\n  - [U2]\n", ":4: access.admin.1: Input should be a valid"),
    ],
)
def test_what_is_no_good_yaml_is_refused_where_it_stands(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "cron"),
    [
        ("SRE_AGENT_SLACK__DIGEST__CRON", "*/30 * * * *", "*/30 * * * *"),
        ("SRE_AGENT_SLACK__DIGEST", "{cron: 0 8 * * mon}", "0 8 * * mon"),
        ("SRE_AGENT_SLACK__DIGEST__CRON", "", "0 9 * * mon-fri"),
    ],
)
def test_a_variable_over_a_section_is_read_as_yaml_and_an_empty_one_is_not_there(
    tmp_path: Path, name: str, value: str, cron: str
) -> None:
    assert load(tmp_path, "", **{name: value}).digest.cron == cron


@pytest.mark.parametrize("word", ["#ops", "null", "~", "0123", "[a]", "a: b", "'quoted'", "true"])
def test_a_variable_over_a_text_stands_as_it_is(tmp_path: Path, word: str) -> None:
    told = load(tmp_path, "", SRE_AGENT_SLACK__CHANNELS__DIGEST=word)
    assert told.document.slack.channels.digest == word
    secret = load(tmp_path, "", SRE_AGENT_LLM__API_KEY=word).document.llm.api_key
    assert secret is not None
    assert secret.get_secret_value() == word


def test_variables_over_numbers_flags_lists_and_named_sections_are_what_they_say(
    tmp_path: Path,
) -> None:
    document = load(
        tmp_path,
        "",
        SRE_AGENT_API__PORT="8081",
        SRE_AGENT_BUDGETS__DAY_USD="2.5",
        SRE_AGENT_AUTO_REMEDIATION__DRY_RUN="true",
        SRE_AGENT_AUTO_REMEDIATION__BLACKLIST__NAMESPACES="[pay, '007']",
        SRE_AGENT_PROMETHEUS__INSTANCES__EU__URL="http://eu",
        SRE_AGENT_PROMETHEUS__INSTANCES__EU__TENANT="#7",
    ).document
    assert (document.api.port, document.budgets.day_usd) == (8081, 2.5)
    assert document.auto_remediation.dry_run is True
    assert document.auto_remediation.blacklist.namespaces == ("pay", "007")
    assert document.prometheus.instances["eu"].tenant == "#7"


@pytest.mark.parametrize("word", ["nan", "inf", "Infinity", "1e999"])
def test_what_is_no_finite_number_is_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(ConfigError, match=r"budgets\.day_usd: Input should be a finite number"):
        load(tmp_path, "", SRE_AGENT_BUDGETS__DAY_USD=word)


def test_a_wrong_variable_is_told_as_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:env: api\.port: Input should be a valid"):
        load(tmp_path, "", SRE_AGENT_API__PORT="many")


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        ("app: {environment: production}", {}),
        ("", {"DATABASE_URL": "postgresql://bot:pw@db.example/bot"}),
    ],
)
def test_production_and_postgres_want_a_key_that_nobody_guesses(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    for blank in ({}, {"AUDIT_KEY": ""}, {"AUDIT_KEY": "  \n"}):
        with pytest.raises(ConfigError, match=r"AUDIT_KEY \(or AUDIT_KEY_FILE\) must be set"):
            load(tmp_path, text, **environ, **blank)
    for short in ("k", "k" * 31, "k" * 31 + " " * 9):
        with pytest.raises(ConfigError, match=r"AUDIT_KEY has \d+ characters; .* at least 32"):
            load(tmp_path, text, **environ, AUDIT_KEY=short)
    found = load(tmp_path, text, **environ, AUDIT_KEY="k" * 32)
    assert keyring_of(found) == Keyring(b"k" * 32)


def test_a_key_file_that_is_blank_is_refused_everywhere(tmp_path: Path) -> None:
    blank = tmp_path / "key"
    blank.write_text("\n")
    with pytest.raises(ConfigError, match=r"AUDIT_KEY_FILE names .* blank"):
        load(tmp_path, "", AUDIT_KEY_FILE=str(blank))


def test_a_trial_gets_a_key_of_its_own_once(tmp_path: Path) -> None:
    files = replace(load(tmp_path, "").files, audit_key=tmp_path / "var" / "audit.key")
    settings = replace(load(tmp_path, ""), files=files)
    first = keyring_of(settings)
    assert keyring_of(settings) == first
    assert [each.name for each in files.audit_key.parent.iterdir()] == ["audit.key"]
    assert files.audit_key.stat().st_mode & 0o777 == 0o600
    files.audit_key.write_text("")  # as a crash would leave it that was half-way
    with pytest.raises(ConfigError, match="holds no audit key"):
        keyring_of(settings)


def test_the_smaller_of_two_daily_limits_counts_although_one_was_raised(tmp_path: Path) -> None:
    raised = load(tmp_path, "budgets: {day_usd: 500}").budget
    assert raised.usd_micros_of_a_day == load(tmp_path, "").budget.usd_micros_of_a_day
    assert load(tmp_path, "budgets: {day_usd: 7}").budget.usd_micros_of_a_day == 7_000_000


def test_holders_of_a_channel_are_found_by_its_id(tmp_path: Path) -> None:
    text = 'access: {admin: [U9], channels: {"#pay": {approver: [U1]}}}'
    named = load(tmp_path, text).access
    access = with_channel_ids(named, {"#pay": "C42"}.__getitem__)
    holders = {Role.APPROVER: ("U1",)}
    assert access.channels == {"C42": holders, "#pay": holders}
    assert access.holders == named.holders
    assert access.holders[Role.ADMIN] == ("U9",)
    assert access.holders[Role.VIEWER] == ("*",)
    assert access.holders[Role.APPROVER] == ()
