"""What cannot work is refused when the settings are read, so that `check-config` names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.access import Role
from bot.settings import ConfigError, Settings, load_settings, with_channel_ids


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
        ("app: {environment: prod}", "'development', 'staging' or 'production', got 'prod'"),
        ("auto_remediation: {auto_tier: yes please}", "Input should be 'ask' or 'run'"),
        ("slack: {digest: {timezone: Berlin}}", "'Berlin' is no time zone; use an IANA name"),
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
def test_a_variable_is_read_as_yaml_and_what_is_none_as_it_stands(
    tmp_path: Path, name: str, value: str, cron: str
) -> None:
    assert load(tmp_path, "", **{name: value}).digest.cron == cron


def test_a_wrong_variable_is_told_as_of_the_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.yaml:env: api\.port: Input should be a valid"):
        load(tmp_path, "", SRE_AGENT_API__PORT="many")


def test_production_wants_the_key_of_the_audit_chain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="AUDIT_KEY"):
        load(tmp_path, "app: {environment: production}")
    found = load(tmp_path, "app: {environment: production}", AUDIT_KEY="k")
    assert found.installation.production


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
