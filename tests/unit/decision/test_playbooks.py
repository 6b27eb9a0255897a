from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks import templates
from playbooks.loader import PlaybookError, load_file, load_library, parse, read_library
from playbooks.templates import TemplateError, fill, render
from playbooks.triggers import TriggerError, TriggerFacts
from playbooks.triggers import parse as trigger
from tests.fakes.decision import SCALE
from tests.fixtures.profile import METRICS, PLAYBOOKS
from tools.act.actions import ACTIONS
from tools.act.contract import parse_parameters
from tools.metrics_and_services import load_metrics

KNOWN = frozenset(ACTIONS)
FACTS = TriggerFacts(
    {"cpu": 0.9, "nan": float("nan")}, frozenset({"OOMKilled"}), ("db pool exhausted",)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpu > 0.8", True),
        ("cpu > 85%", True),
        ("cpu <= 0.8", False),
        ("memory > 0.8", None),
        ("nan > 0.8", None),
        ("OOMKilled", True),
        ("oomkilled", True),
        ("BackOff", False),
        ('"pool exhausted"', True),
        ("not BackOff", True),
        ("not memory > 1", None),
        ("cpu > 0.8 and memory > 0.8", None),
        ("cpu < 0.8 and memory > 0.8", False),
        ("cpu > 0.8 or memory > 0.8", True),
        ("cpu < 0.8 or memory > 0.8", None),
        ("(cpu < 0.8 or OOMKilled) and not BackOff", True),
        ("cpu > -1e-3", True),
    ],
)
def test_unknown_is_neither_true_nor_false(text: str, value: bool | None) -> None:
    assert trigger(text).evaluate(FACTS) is value


def test_what_nobody_could_look_for_is_unknown() -> None:
    assert trigger("BackOff").evaluate(TriggerFacts()) is None
    assert trigger("BackOff").evaluate(TriggerFacts({}, frozenset(), ())) is False
    assert trigger("BackOff").evaluate(TriggerFacts({}, frozenset(), (), partial=True)) is None


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("cpu >", 6),
        ("cpu > high", 7),
        ("(cpu > 1", 1),
        ("cpu > 1 memory", 9),
        ("and", 1),
        ("cpu > 1 and", 12),
        ("__import__('os')", 11),
        ("a.b(c)", 4),
        ("x = 1", 3),
        ('""', 1),
        ("", 1),
    ],
)
def test_what_is_no_expression_is_told_with_its_column(text: str, column: int) -> None:
    with pytest.raises(TriggerError) as caught:
        trigger(text)
    assert caught.value.column == column


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = trigger(text)
    except TriggerError:
        return
    assert expression.evaluate(FACTS) in {True, False, None}


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(TriggerError, match="deep"):
        trigger("(" * 60 + "cpu > 1" + ")" * 60)


# --- templates --------------------------------------------------------------------------------


def test_variables_are_filled_into_text_leaves_only() -> None:
    value = {"a": ["{{ x }}", 3, {"{{ x }}": "-{{ x }}-"}]}
    assert fill(value, {"x": "v"}) == {"a": ["v", 3, {"{{ x }}": "-v-"}]}


@pytest.mark.parametrize(
    "text",
    [
        "{{ x.y }}",
        "{{ x() }}",
        "{{ x|upper }}",
        "{{ 1 + 1 }}",
        "{% for a in x %}{% endfor %}",
        "{{ x",
        "{{ 'a' * 999999999 }}",
        "{{ x['a'] }}",
        "{{ self }}{{ x.__class__ }}",
    ],
)
def test_nothing_but_a_name_may_stand_in_a_template(text: str) -> None:
    with pytest.raises(TemplateError):
        render(text, {"x": "v"})


def test_a_missing_variable_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(TemplateError, match="known: x"):
        render("{{ y }}", {"x": "v"})


@pytest.mark.parametrize("value", ["a\nb", "x" * 254, "{{ y }}", "a\x00"])
def test_values_are_short_plain_text(value: str) -> None:
    with pytest.raises(TemplateError):
        render("{{ x }}", {"x": value})


def test_a_variable_cannot_change_the_host_of_a_url() -> None:
    with pytest.raises(TemplateError, match="scheme and host"):
        templates.check_url("http://{{ host }}/x")
    with pytest.raises(TemplateError, match="scheme and host"):
        templates.check_url("http://a{{ x }}.example/x")
    url = {"url": "http://ops.example/{{ x }}/y"}
    assert fill(url, {"x": "a/../b?c#d@e"}) == {
        "url": "http://ops.example/a%2F..%2Fb%3Fc%23d%40e/y"
    }
    with pytest.raises(TemplateError):
        fill(url, {"x": ".."})


# --- loading ----------------------------------------------------------------------------------


def broken(text: str, old: str, new: str) -> str:
    with pytest.raises(PlaybookError) as caught:
        parse(text.replace(old, new).encode(), "p.yaml", KNOWN, frozenset({"cpu_usage"}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("hpa_scale", "hpa_scal", "p.yaml:9:5", "Did you mean 'hpa_scale'?"),
        ("description:", "descripton:", "p.yaml", "description"),
        ("cpu_usage > 0.8", "cpu_usge > 0.8", "p.yaml:5:22", "Did you mean 'cpu_usage'?"),
        ("cpu_usage > 0.8", "cpu_usage >", "p.yaml:5:22", "needs a number"),
        ("risk_override: 0.3", "risk_override: 3", "p.yaml:6:1", "less than or equal to 1"),
        ("{{ workload }}", "{{ workloads }}", "p.yaml:2:1", "nothing fills in 'workloads'"),
        ("steps:", "steps: [", "p.yaml", "not YAML"),
        ("name: Scale up", "name: Scale up\nname: Twice", "p.yaml:4:1", "written twice"),
        ("- name: Scale", "- nam: Scale", "p.yaml:8:5", "'name' is missing"),
        *(
            (
                "steps:",
                f"parameters: {{size: {{description: d, pattern: '{pattern}'}}}}\nsteps:",
                "p.yaml:7:37",
                f"is no regular expression of RE2: {why}",
            )
            for pattern, why in (
                ("(a", "missing ): (a"),
                ("(?=a)b", "invalid perl operator: (?="),
                (r"(a)\1", "invalid escape sequence"),
            )
        ),
    ],
)
def test_a_mistake_is_told_with_file_line_and_column(
    old: str, new: str, where: str, says: str
) -> None:
    message = broken(SCALE, old, new)
    assert message.startswith(where)
    assert says in message


def test_the_hash_is_that_of_the_files_bytes() -> None:
    one = parse(SCALE.encode(), "a", KNOWN)
    two = parse((SCALE + "\n# a remark\n").encode(), "b", KNOWN)
    assert one.playbook == two.playbook
    assert one.sha256 != two.sha256


def test_an_id_in_two_folders_is_an_error(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.yaml").write_text(SCALE)
    with pytest.raises(PlaybookError, match="also stands in"):
        load_library([tmp_path / "a", tmp_path / "b"], KNOWN)


def test_one_bad_file_keeps_none_of_the_others_from_being_read(tmp_path: Path) -> None:
    written = {
        "a": SCALE, "b": SCALE.replace("name:", "nmae:", 1), "c": "{", "d": SCALE,
        "e": SCALE.replace("id: ", "id: other-", 1),
    }  # fmt: skip
    for name, text in written.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    read = read_library([tmp_path], KNOWN)
    assert [Path(each.path).stem for each in read.library.values()] == ["a", "e"]
    assert [Path(path).stem for path in read.refused] == ["b", "c", "d"]
    assert all(why.startswith(f"{path}:") for path, why in read.refused.items())
    assert "also stands in" in read.refused[str(tmp_path / "d.yaml")]


def test_the_users_own_playbook_is_accepted_as_it_stands() -> None:
    text = """
id: pod-restart
name: Pod restart
description: Restart a pod by deleting it
trigger_conditions: ["memory_usage > 0.9", "OOMKilled"]
risk_override: 0.25
steps:
  - name: Restart pod
    action: pod_restart
    target: "{{ target_pod }}"
    parameters: {grace_period: 30}
    timeout_seconds: 120
"""
    playbook = parse(text.encode(), "p.yaml", KNOWN).playbook
    assert playbook.steps[0].timeout_seconds == 120


def test_the_shipped_playbooks_fit_the_shipped_catalogue_and_actions() -> None:
    metrics = load_metrics(METRICS)
    library = load_library([PLAYBOOKS], ACTIONS, metrics)
    assert len(library) >= 12
    used = {name for each in library.values() for name in each.playbook.actions()}
    assert used >= {
        "pod_restart",
        "hpa_scale",
        "deployment_rollback",
        "config_rollback",
        "circuit_breaker",
        "drain",
        "http_call",
        "run_job",
        "database_failover",
    }
    for each in library.values():
        values = dict.fromkeys(each.playbook.variables(), "2")
        for step in each.playbook.steps:
            parse_parameters(ACTIONS[step.action], fill(step.parameters, values))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("parameters: {grace_perod: 30}", "takes no parameter 'grace_perod'. Did you mean 'grace"),
        (
            "parameters: {}, undo: {action: scale, target: shop, parameters: {replica: 3}}",
            "scale takes no parameter 'replica'. Did you mean 'replicas'?",
        ),
    ],
)
def test_a_parameter_that_the_action_does_not_take_is_told_with_its_place(
    tmp_path: Path, wrong: str, told: str
) -> None:
    path = tmp_path / "restart.yaml"
    path.write_text(
        "id: restart\nname: R\ndescription: R\ntrigger_conditions: [OOMKilled]\nsteps:\n"
        f'  - {{name: R, action: pod_restart, target: "{{{{ target_pod }}}}", {wrong}}}\n',
        encoding="utf-8",
    )
    with pytest.raises(PlaybookError) as error:
        load_file(path, ACTIONS)
    assert str(error.value).startswith(f"{path}:6:")
    assert told in str(error.value)
