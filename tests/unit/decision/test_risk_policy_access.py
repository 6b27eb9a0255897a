from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.ports import Person
from bot.domain.access import RIGHTS, AccessConfig, Role, decide, role_of
from bot.domain.ids import UserId
from bot.domain.plans.policy import AutoTier, PolicyConfig, role_for, rule, strictest
from bot.domain.plans.risk import RiskConfig, RiskInputs, Tier, Trend, assess
from bot.settings import with_channel_ids
from tools.world import ServiceMode, Severity

INPUTS = RiskInputs(
    severity=Severity.CRITICAL,
    lasted=timedelta(minutes=30),
    trend=Trend.WORSE,
    category="trading",
    namespace="trading",
    kinds=("Deployment",),
    service_tier=1,
    dependants=2,
    pods_affected=3,
    pods_total=3,
    steps=1,
    undoable=True,
    floors={"deployment_rollback": 0.4},
    protected=False,
)


def test_the_score_is_the_weighted_sum_of_its_four_parts() -> None:
    score = assess(INPUTS)
    parts = 0.35 * score.severity + 0.25 * score.urgency + 0.25 * score.impact
    assert score.score == pytest.approx(parts + 0.15 * score.complexity, abs=1e-4)
    assert len(score.lines) == 4
    assert "30 min, trend worse" in score.lines[1]


def test_an_override_replaces_the_sum_but_not_the_floor() -> None:
    assert assess(replace(INPUTS, override=0.5)).score == 0.5
    low = assess(replace(INPUTS, override=0.1))
    assert low.score == 0.4
    assert "floor 0.40 of deployment_rollback" in low.lines


def test_what_cannot_be_taken_back_is_a_fifth_harder_and_each_further_step_as_well() -> None:
    assert assess(INPUTS).complexity == 0.4
    assert assess(replace(INPUTS, undoable=False)).complexity == pytest.approx(0.6)
    assert assess(replace(INPUTS, steps=3)).complexity == pytest.approx(0.8)
    assert assess(replace(INPUTS, floors={}, steps=9)).complexity == 1.0


def test_more_pods_than_there_are_count_as_all_of_them() -> None:
    surge = replace(INPUTS, pods_affected=4)
    assert assess(surge).impact == assess(INPUTS).impact
    assert assess(replace(INPUTS, pods_total=0)).impact == pytest.approx(
        assess(INPUTS).impact - 0.15
    )


@pytest.mark.parametrize(("override", "score"), [(1.7, 1.0), (-0.5, 0.4)])
def test_an_override_beyond_its_range_is_cut_in_the_line_that_tells_it(
    override: float, score: float
) -> None:
    told = assess(replace(INPUTS, override=override))
    assert told.score == score
    assert f"playbook override {min(1.0, max(0.0, override)):.2f} replaces" in told.lines[4]


def test_an_autoscaler_weighs_less_than_a_deployment() -> None:
    scaled = assess(replace(INPUTS, kinds=("HorizontalPodAutoscaler",)))
    assert assess(INPUTS).impact - scaled.impact == pytest.approx(0.3 * 0.2)


def test_a_failover_cannot_be_talked_down() -> None:
    inputs = replace(INPUTS, floors={"database_failover": 0.6}, override=0.0)
    assert RiskConfig().tier(assess(inputs).score) is Tier.MANUAL


def test_a_protected_target_is_critical_whatever_the_playbook_says() -> None:
    score = assess(replace(INPUTS, protected=True, override=0.0))
    assert RiskConfig().tier(score.score) is Tier.CRITICAL


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (0.0, "auto"),
        (0.39, "auto"),
        (0.4, "semi_auto"),
        (0.59, "semi_auto"),
        (0.6, "manual"),
        (0.79, "manual"),
        (0.8, "critical"),
        (1.0, "critical"),
    ],
)
def test_the_cuts_are_where_the_user_put_them(score: float, tier: str) -> None:
    assert RiskConfig().tier(score).value == tier


@given(
    severity=st.sampled_from(Severity),
    minutes=st.integers(0, 10_000),
    trend=st.sampled_from(Trend),
    dependants=st.integers(0, 50),
    pods=st.integers(0, 500),
    steps=st.integers(0, 10),
    floor=st.floats(0, 1),
    override=st.none() | st.floats(0, 1),
)
def test_every_number_stays_between_zero_and_one(
    severity: Severity,
    minutes: int,
    trend: Trend,
    dependants: int,
    pods: int,
    steps: int,
    floor: float,
    override: float | None,
) -> None:
    score = assess(
        replace(
            INPUTS,
            severity=severity,
            lasted=timedelta(minutes=minutes),
            trend=trend,
            dependants=dependants,
            pods_affected=pods,
            pods_total=max(pods, 1),
            steps=steps,
            floors={"x": floor},
            override=override,
        )
    )
    parts = (score.score, score.severity, score.urgency, score.impact, score.complexity)
    assert all(0 <= part <= 1 for part in parts)
    assert score.score >= round(floor, 4)


def test_weights_and_cuts_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        RiskConfig(severity_weight=0.9)
    with pytest.raises(ValueError, match="must rise"):
        RiskConfig(auto_below=0.9)


# --- policy -----------------------------------------------------------------------------------


def test_only_two_switches_together_let_the_lowest_tier_run_by_itself() -> None:
    run = PolicyConfig(auto_tier=AutoTier.RUN)
    alone = {
        (tier, mode, config.auto_tier)
        for tier in Tier
        for mode in ServiceMode
        for config in (run, PolicyConfig())
        if rule(tier, mode, config).runs_by_itself
    }
    assert alone == {(Tier.AUTO, ServiceMode.AUTO, AutoTier.RUN)}
    stricter = (replace(run, enabled=False), replace(run, dry_run=True))
    assert not any(rule(Tier.AUTO, ServiceMode.AUTO, c).runs_by_itself for c in stricter)


def test_what_policy_switches_off_is_shown_and_says_why_but_cannot_be_approved() -> None:
    for config, name in (
        (PolicyConfig(enabled=False), "auto_remediation.enabled is false"),
        (PolicyConfig(dry_run=True), "auto_remediation.dry_run is true"),
    ):
        ruling = rule(Tier.AUTO, ServiceMode.AUTO, config)
        assert (ruling.may_be_shown, ruling.may_be_approved) == (True, False)
        assert ruling.why == name
    assert rule(Tier.AUTO, ServiceMode.APPROVE, PolicyConfig()).may_be_shown


def test_critical_is_never_approved() -> None:
    assert not any(
        rule(Tier.CRITICAL, mode, PolicyConfig()).may_be_approved for mode in ServiceMode
    )


def test_observe_shows_nothing_and_suggest_only_shows() -> None:
    assert not rule(Tier.AUTO, ServiceMode.OBSERVE, PolicyConfig()).may_be_shown
    suggest = rule(Tier.AUTO, ServiceMode.SUGGEST, PolicyConfig())
    assert (suggest.may_be_shown, suggest.may_be_approved) == (True, False)


def test_tiers_need_one_or_two_people_of_the_right_role() -> None:
    needed = [rule(t, ServiceMode.APPROVE, PolicyConfig()).approvers_needed for t in Tier]
    assert needed[:3] == [1, 1, 2]
    assert [role_for(t) for t in Tier][:3] == [Role.RESPONDER, Role.APPROVER, Role.APPROVER]


def test_the_strictest_mode_wins() -> None:
    assert strictest([ServiceMode.AUTO, ServiceMode.SUGGEST]) is ServiceMode.SUGGEST
    assert strictest([]) is ServiceMode.APPROVE


# --- access -----------------------------------------------------------------------------------

CONFIG = AccessConfig(
    holders={
        Role.VIEWER: ("*",),
        Role.RESPONDER: ("SONCALL",),
        Role.APPROVER: ("UANN",),
        Role.ADMIN: ("UADA",),
    },
    channels={"CWALLET": {Role.VIEWER: ("SWALLET",)}},
    services={"wallet-service": {Role.VIEWER: ("SWALLET",), Role.APPROVER: ("UWES",)}},
)


def person(user: str, *groups: str, **flags: bool) -> Person:
    return Person(UserId(user), user, groups=groups, **flags)  # type: ignore[arg-type]


def test_a_higher_role_holds_the_lower_ones() -> None:
    assert decide(person("UADA"), "plan.approve", CONFIG).allowed
    assert decide(person("UADA"), "ask", CONFIG).allowed
    assert role_of(person("UX", "SONCALL"), CONFIG) is Role.RESPONDER
    assert role_of(person("UX"), CONFIG) is Role.VIEWER


@pytest.mark.parametrize("flag", ["guest", "external", "deleted", "bot"])
@pytest.mark.parametrize("right", RIGHTS)
def test_strangers_get_nothing_whatever_a_list_says(flag: str, right: str) -> None:
    assert not decide(person("UADA", **{flag: True}), right, CONFIG).allowed


def test_reading_is_a_right_too() -> None:
    assert not decide(person("UX"), "service.read", CONFIG, service="wallet-service").allowed
    wes = person("UW", "SWALLET")
    assert decide(wes, "service.read", CONFIG, service="wallet-service").allowed


def test_a_service_names_its_own_approvers() -> None:
    assert not decide(person("UANN"), "plan.retry", CONFIG, service="wallet-service").allowed
    assert decide(person("UWES"), "plan.retry", CONFIG, service="wallet-service").allowed


def test_a_channel_has_its_own_approvers_by_its_name_and_by_its_id() -> None:
    own = {"#prod": {Role.APPROVER: ("UADA",)}}
    written = AccessConfig(holders={Role.APPROVER: ("UANN",)}, channels=own)
    known = with_channel_ids(written, {"#prod": "C1"}.__getitem__)
    for channel in ("#prod", "C1"):  # a plan of `ask` knows only the name of its channel
        assert not decide(person("UANN"), "plan.approve", known, channel).allowed
        assert decide(person("UADA"), "plan.approve", known, channel).allowed
    assert decide(person("UANN"), "plan.approve", known, "C2").allowed


def test_channel_and_service_both_must_agree() -> None:
    wes = person("UWES")
    assert not decide(wes, "plan.retry", CONFIG, "CWALLET", "wallet-service").allowed
    both = person("UWES", "SWALLET")
    held = role_of(both, CONFIG, "CWALLET", "wallet-service")
    assert held is Role.VIEWER  # the channel knows nobody of that name as approver


def test_a_right_that_is_not_in_the_table_is_nobodys() -> None:
    found = decide(person("UADA"), "plan.execute", CONFIG)
    assert not found.allowed
    assert "plan.execute" in found.why


def test_an_empty_configuration_lets_nobody_do_anything() -> None:
    assert not any(decide(person("UADA"), right, AccessConfig()).allowed for right in RIGHTS)


@pytest.mark.parametrize(
    ("score", "tier"),
    [
        (0.0, Tier.AUTO), (0.3999, Tier.AUTO), (0.4, Tier.SEMI_AUTO), (0.5999, Tier.SEMI_AUTO),
        (0.6, Tier.MANUAL), (0.7999, Tier.MANUAL), (0.8, Tier.CRITICAL), (1.0, Tier.CRITICAL),
    ],
)  # fmt: skip
def test_a_score_on_a_cut_belongs_to_the_stricter_tier(score: float, tier: Tier) -> None:
    assert RiskConfig().tier(score) is tier


def test_each_part_of_the_impact_counts_as_much_as_is_written() -> None:
    half = replace(
        INPUTS, category="api", service_tier=2, dependants=3, pods_affected=1, pods_total=4
    )
    kinds = {
        "Pod": 0.1, "HorizontalPodAutoscaler": 0.2, "Deployment": 0.4, "CronJob": 0.4,
        "Endpoint": 0.5, "DaemonSet": 0.6, "StatefulSet": 0.7, "Node": 0.8, "Cluster": 1.0,
        "Rollout": 0.5,
    }  # fmt: skip
    for kind, weight in kinds.items():
        expected = 0.3 * weight + 0.2 * 0.5 + 0.2 * 0.6 + 0.15 * 1.0 + 0.15 * 0.25
        assert assess(replace(half, kinds=(kind,))).impact == pytest.approx(expected, abs=1e-4)
    assert "(61 min, trend worse)" in assess(replace(INPUTS, lasted=timedelta(minutes=61))).lines[1]
