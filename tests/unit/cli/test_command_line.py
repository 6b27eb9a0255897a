"""The command line as a person meets it: exit status, one line of error, one object of JSON."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.__main__ import app, main
from tools.act import rbac
from tools.act.actions import ACTIONS

ROOT = Path(__file__).parents[3]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    return err.removeprefix("sre-agent: ").rstrip("\n")


OLD = "tests/unit/settings/config_before_issue_8.yaml"


def test_the_list_of_commands_is_closed() -> None:
    names = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    names |= {g.name for g in app.registered_groups}
    assert names == {
        "run", "ask", "init", "doctor", "check-config", "audit", "playbooks", "knowledge", "db",
        "token", "rbac",
    }  # fmt: skip


def test_a_file_where_the_data_folder_belongs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "var").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRE_AGENT_CONFIG", str(ROOT / "config/config.yaml"))
    monkeypatch.setenv("DATABASE_URL", "sqlite+aiosqlite:///var/sre-agent.db")
    assert main(["audit", "verify"]) == 1
    assert (
        one_line(capsys)
        == "'var' cannot be a folder, a file stands in its way; move that file away"
    )


def test_help_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pandas", "matplotlib", "sqlalchemy", "lancedb", "slack_bolt", "anthropic"}
    code = (
        "import sys, bot.__main__ as m; m.main(['--help']); "
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "check-config" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["docter"], "No such command 'docter'"),
        (["ask"], "Missing argument"),
        (["audit", "tail", "--limit", "0"], "--limit"),
        (["token", "create", "alice", "--scope", "read"], "'alice' is no Slack user id"),
        (
            ["token", "create", "U0ALICE01", "--scope", "read", "--scope", "approve"],
            "a token is for one thing, got read, approve; create one for each",
        ),
        (["playbooks", "simulate", "pod-restart", "--metric", "cpu"], "'cpu' must be NAME=VALUE"),
        (["knowledge", "search", "x", "--kind", "book"], "'book' is none of runbook"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert says in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["playbooks", "show", "pod-restrat"], "Did you mean 'pod-restart'?"),
        (["token", "revoke", "TOK-1"], "there is no token 'TOK-1'"),
        (
            ["token", "create", "U0ALICE01", "--scope", "read", "--expires", "soon"],
            "'soon' is no span",
        ),
        (
            ["token", "create", "U0ALICE01", "--scope", "read", "--expires", "400d"],
            "up to 366 days",
        ),
        (["token", "create", "U0ALICE01", "--scope", "read", "--expires", "0h"], "up to 366 days"),
        (["audit", "show", "PLAN-1"], "knows nothing of 'PLAN-1'"),
        (["rbac", "pod_restat"], "Did you mean 'pod_restart'?"),
        (["knowledge", "search", "nothing at all"], "nothing found for 'nothing at all'"),
        (["knowledge", "add", "missing.md"], "missing.md"),
    ],
)
def test_what_failed_is_one_line_and_status_1(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    assert says in one_line(capsys)


def test_no_command_shows_the_help_and_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "check-config" in capsys.readouterr().err


def test_an_unknown_configuration_key_is_named_with_line_and_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("app:\n  name: bot\n  lokale: zh\n", encoding="utf-8")
    monkeypatch.setenv("SRE_AGENT_CONFIG", str(path))
    assert main(["check-config"]) == 1
    assert "config.yaml:3: unknown key 'app.lokale'. Did you mean 'locale'?" in one_line(capsys)


def test_check_config_reads_every_file_and_names_retired_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, playbooks = tmp_path / "config.yaml", tmp_path / "playbooks"
    playbooks.mkdir()
    path.write_text("llm: {temperature: 0.2}\napi: {workers: 4}\n", encoding="utf-8")
    monkeypatch.setenv("SRE_AGENT_CONFIG", str(path))
    assert main(["check-config"]) == 0
    told = capsys.readouterr().out
    assert "retired llm.temperature: Claude's API refuses" in told
    assert "retired api.workers:" in told
    (playbooks / "bad.yaml").write_text("id: bad\nnome: Bad\n", encoding="utf-8")
    path.write_text(
        f'paths: {{playbooks: ["{playbooks}"]}}\nslack: {{digest: {{cron: "0 9 * * 1"}}}}\n',
        encoding="utf-8",
    )
    assert main(["check-config", "--json"]) == 1
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert not report["ok"]
    assert "bad.yaml:1:1: 'name' is missing" in err
    assert "write names, such as mon-fri" in err
    assert err.count("\n") == 1
    path.write_text(f'paths: {{playbooks: ["{playbooks}"]}}\n', encoding="utf-8")
    assert main(["doctor", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)["dependencies"]
    (row,) = (row for row in rows if row["name"] == "playbooks")
    assert row["state"] == "failed"
    assert "1 do not serve" in row["detail"]
    assert "bad.yaml:1:1: 'name' is missing" in row["detail"]


def test_the_doctor_says_what_is_off_and_fails_for_what_is_down(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--json"]) == 0
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)["dependencies"]}
    assert rows["database"]["state"] == "ok"
    assert rows["claude"] == {
        "name": "claude", "state": "off", "detail": "not configured",
        "todo": "set ANTHROPIC_API_KEY",
    }  # fmt: skip
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")
    assert main(["doctor"]) == 1
    out, err = capsys.readouterr()
    assert "prometheus" in out
    assert "not well: prometheus" in err


def test_a_token_is_shown_once_and_its_life_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    create = ["token", "create", "U0ALICE01", "--scope", "ingest", "--expires", "30d"]
    assert main([*create, "--name", "ci", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["token"].startswith("sre_")
    life = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert (made["scope"], life) == ("ingest", timedelta(days=30))
    main(["token", "list", "--json"])
    listed = capsys.readouterr().out
    assert made["token"] not in listed
    assert json.loads(listed)["tokens"][0]["revoked_at"] is None
    assert main(["token", "revoke", made["id"]]) == 0
    capsys.readouterr()
    assert main(["audit", "show", made["id"], "--json"]) == 0
    kinds = [r["kind"] for r in json.loads(capsys.readouterr().out)["rows"]]
    assert kinds == ["token.created", "token.revoked"]
    assert main(["audit", "verify", "--json"]) == 0
    verified = json.loads(capsys.readouterr().out)
    assert (verified["rows"], verified["unsealed"]) == (3, 0)  # the command seals what it wrote
    assert main(["audit", "export"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["subject"] for line in lines] == ["audit", made["id"], made["id"]]


def test_a_chain_that_was_edited_is_told_with_its_first_bad_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    main(["token", "create", "U0ALICE01", "--scope", "read"])
    main(["token", "create", "U0DAVE001", "--scope", "read"])
    with sqlite3.connect(tmp_path / "sre-agent.db") as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    capsys.readouterr()
    assert main(["audit", "verify"]) == 1
    assert "broken at row 2" in one_line(capsys)


def test_documents_added_by_hand_survive_a_reindex(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = tmp_path / "note.md"
    note.write_text("---\nid: n1\ntitle: Zebra\nkind: solution\n---\nzebra stripes\n", "utf-8")
    assert main(["knowledge", "add", str(note)]) == 0
    assert main(["knowledge", "reindex", "knowledge"]) == 0
    capsys.readouterr()
    assert main(["knowledge", "search", "zebra", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["id"] == "n1"
    main(["knowledge", "stats", "--json"])
    assert json.loads(capsys.readouterr().out)["by_kind"]["solution"] == 1


def test_the_shipped_playbooks_are_good_without_any_catalogue() -> None:
    assert main(["playbooks", "lint"]) == 0


@pytest.mark.usefixtures("trading")
def test_the_playbooks_of_a_profile_are_good_and_tell_when_they_fit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["playbooks", "lint"]) == 0
    capsys.readouterr()
    simulate = ["playbooks", "simulate", "pod-restart", "--json", "--metric"]
    for value, fits in (("0.95", True), ("0.2", False)):
        assert main([*simulate, f"memory_usage={value}"]) == 0
        assert json.loads(capsys.readouterr().out)["fits"] is fits


def test_every_action_says_which_rules_it_needs() -> None:
    import yaml

    assert set(rbac.NEEDS) == set(ACTIONS)
    role = yaml.safe_load(rbac.render(ACTIONS))
    assert role["kind"] == "ClusterRole"
    assert not any("*" in (*r["verbs"], *r["resources"]) for r in role["rules"])
    assert not any("secrets" in r["resources"] for r in role["rules"])
    pods = yaml.safe_load(rbac.render(["pod_restart"]))["rules"]
    look, get = ["get", "list"], ["get"]
    assert {tuple(r["resources"]): r["verbs"] for r in pods} == {
        ("pods",): [*look, "delete"],
        # who stands above a pod and before it, up to the top
        ("namespaces",): get, ("services",): look, ("replicasets",): look, ("deployments",): get,
        ("statefulsets",): get, ("daemonsets",): get, ("jobs",): look, ("cronjobs",): get,
        ("clusters",): get,
    }  # fmt: skip
    nodes = yaml.safe_load(rbac.render(["cordon"]))["rules"]
    assert [(r["resources"], r["verbs"]) for r in nodes] == [(["nodes"], [*look, "patch"])]


def test_rbac_also_prints_what_admission_refuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import yaml

    monkeypatch.setenv("SRE_AGENT_CONFIG", str(ROOT / "config" / "config.yaml"))
    identity = "system:serviceaccount:ops:actor"
    assert main(["rbac", "pod_restart", "--identity", identity]) == 0
    role, policy, binding = yaml.safe_load_all(capsys.readouterr().out)
    assert [each["kind"] for each in (role, policy, binding)] == [
        "ClusterRole", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
    ]  # fmt: skip
    assert identity in policy["spec"]["matchConditions"][0]["expression"]
    spaces = policy["spec"]["validations"][0]["expression"]
    assert '"kube-system"' in spaces
    assert '"ops"' in spaces  # where the bot itself runs


def test_the_schema_goes_down_and_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["db", "upgrade"]) == 0
    assert main(["db", "downgrade", "base", "--yes"]) == 0
    assert main(["db", "upgrade"]) == 0
    assert "is at head" in capsys.readouterr().out


def test_ask_prints_exactly_one_object_and_names_what_was_not_looked_at(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["ask", "why is order latency up?", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == [
        "answer", "conclusion", "verdict", "confidence", "causes",
        "evidence", "plan", "mode", "usage", "gaps", "untraced",
    ]  # fmt: skip
    assert list(answer["usage"]) == [
        "steps", "input_tokens", "output_tokens", "cached_tokens", "usd", "seconds",
    ]  # fmt: skip
    assert answer["mode"] == "deterministic"
    assert any(gap.startswith("prometheus: not configured") for gap in answer["gaps"])


@pytest.mark.usefixtures("trading")
def test_lint_tells_every_wrong_file_and_simulate_an_unknown_metric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, metric in (("one", "memory_usge"), ("two", "cpu_usag")):
        (tmp_path / f"{name}.yaml").write_text(
            f"id: {name}\nname: R\ndescription: R\ntrigger_conditions: [{metric} > 0.9]\n"
            'steps: [{name: R, action: pod_restart, target: "{{ target_pod }}"}]\n',
            encoding="utf-8",
        )
    assert main(["playbooks", "lint", str(tmp_path)]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(".yaml:4:")[2] for line in told] == [
        "22: there is no metric 'memory_usge'. Did you mean 'memory_usage'?",
        "22: there is no metric 'cpu_usag'. Did you mean 'cpu_usage'?",
    ]
    assert main(["playbooks", "simulate", "pod-restart", "--metric", "memory_usge=0.95"]) == 1
    assert "Did you mean 'memory_usage'?" in capsys.readouterr().err


@pytest.mark.parametrize("config", ["config/config.yaml", OLD])
def test_an_installation_without_a_catalogue_reads_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], config: str
) -> None:
    monkeypatch.setenv("SRE_AGENT_CONFIG", config)  # the older one names the shipped files
    assert main(["check-config"]) == 0
    told = capsys.readouterr().out
    assert told.count("the catalogue of metrics is empty: `python -m bot init` fills it in") == 1
    assert "what earlier versions shipped is below config/profiles" in told
