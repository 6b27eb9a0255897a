"""What check-config doubts: a name that is nobody, nothing or nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.composition.config_doubts import doubts_of
from bot.settings import load_settings
from tests.fixtures.profile import CONFIG

SERVICES = ("order-api", "ledger")


def doubts(folder: Path, text: str, **environ: str) -> list[str]:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return doubts_of(load_settings({"SRE_AGENT_CONFIG": str(path), **environ}), SERVICES)


def test_the_configuration_of_the_profile_raises_no_doubt() -> None:
    assert doubts_of(load_settings({"SRE_AGENT_CONFIG": str(CONFIG)}), SERVICES) == []


def test_the_shipped_configuration_names_nobody_and_says_so() -> None:
    found = load_settings({})
    [doubt] = doubts_of(found, ())
    assert doubt.startswith("access.admin is empty: nobody may resume")
    assert "nobody can answer a plan" in found.off["approvals"]


def test_without_an_admin_nobody_can_resume(tmp_path: Path) -> None:
    [doubt] = doubts(tmp_path, "app: {}")
    assert doubt.startswith("access.admin is empty: nobody may resume")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("access: {admin: [U0ALICE], approver: [alice]}", "access.approver holds 'alice'"),
        (
            "access: {admin: [U0ALICE], services: {order-ap: {approver: [U1BOB]}}}",
            "access.services names 'order-ap', which is no service. Did you mean 'order-api'?",
        ),
        (
            "access: {admin: [U0ALICE], services: {ledger: {approver: [bob]}}}",
            "access.services.ledger.approver holds 'bob'",
        ),
        (
            "{access: {admin: [U0ALICE]}, slack: {channels: {digest: sre digest}}}",
            "slack.channels.digest names 'sre digest'",
        ),
    ],
)
def test_a_name_that_resolves_to_nothing_is_told(tmp_path: Path, text: str, said: str) -> None:
    [doubt] = doubts(tmp_path, text)
    assert doubt.startswith(said)


def test_a_store_of_a_cluster_that_is_not_read_is_told(tmp_path: Path) -> None:
    text = """
access: {admin: [U0ALICE]}
prometheus: {instances: {us: {url: "http://us:9090", cluster: us-2}}}
kubernetes: {cluster: us-1}
"""
    [doubt] = doubts(tmp_path, text, KUBECONFIG="x.yaml")
    assert "prometheus us observes the cluster 'us-2'" in doubt
    assert "Did you mean 'us-1'?" in doubt
