"""Documents that cannot go stale: what they name is compared with what is there."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.source import ROOT, sources
from tests.patience import PATIENCE
from tools.act.rbac import render

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> list[str]:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in LINK.findall(prose) if "://" not in link]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_resolves(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    start = ROOT / "docs" / "index.md"
    reached, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert {name(p) for p in (ROOT / "docs").rglob("*.md") if p not in reached} == set()


def code(page: Path) -> str:
    """Return what a page sets as code, or the whole of a file that is no prose."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".md":
        return text
    return "\n".join([*FENCE.findall(text), *re.findall(r"`([^`]+)`", FENCE.sub("", text))])


def test_documents_name_only_make_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*##", makefile, re.MULTILINE))
    places = [*PAGES, ROOT / ".ci" / "run", ROOT / ".pre-commit-config.yaml"]
    said = {
        (name(page), target)
        for page in places
        for target in re.findall(r"(?:^|[$ ;])make\s+([a-z-]+)", code(page), re.MULTILINE)
    }
    assert {target for _, target in said} >= {"demo", "test", "check", "imports"}
    assert {(where, target) for where, target in said if target not in targets} == set()


def test_contributing_names_every_kind_of_test() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `tests/(\w+)` \|", text, re.MULTILINE))
    kinds = {file.relative_to(ROOT).parts[1] for file in (ROOT / "tests").glob("*/**/test_*.py")}
    assert named == kinds


def test_make_help_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())  # type: ignore[index]
    done = subprocess.run(
        ["make", "help"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert set(re.findall(r"^ +make ([a-z-]+)", done.stdout, re.MULTILINE)) == phony


# ------------------------------------------------------------------------------- variables

VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|KUBECONFIG")


def explained_variables() -> set[str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", text, re.MULTILINE))


def config_variables() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "config").glob("*.yaml"):
        found |= set(re.findall(r"\$\{([A-Z0-9_]+)", file.read_text(encoding="utf-8")))
    return found - {"VAR"}


READ_BY_CLIENTS = {"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"}


def settings_variables() -> set[str]:
    """Return the names that the settings look up: literals shaped like a variable."""
    found: set[str] = set()
    for source in sources("bot"):
        if source.path.startswith("bot/settings/"):
            found |= set(re.findall(r"""["']([A-Z][A-Z0-9_]{3,})["']""", source.text))
    return {name for name in found if VARIABLE.fullmatch(name)}


def test_every_variable_that_the_settings_read_is_explained() -> None:
    assert settings_variables() - explained_variables() == set()


def test_every_variable_that_is_explained_is_read() -> None:
    read = settings_variables() | config_variables() | READ_BY_CLIENTS
    assert explained_variables() - read == set()


def test_every_variable_of_the_configuration_is_explained() -> None:
    assert config_variables() - explained_variables() == set()


def test_a_copied_example_overrides_nothing_with_an_empty_secret() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    filled = dict(re.findall(r"^([A-Z0-9_]+)=(.+)$", text, re.MULTILINE))
    secrets = {k for k in filled if re.search(r"TOKEN|SECRET|KEY|PASSWORD", k)}
    assert secrets == set()


# ------------------------------------------------------------------------------- decisions

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", DECISIONS, ids=name)
def test_a_decision_says_context_decision_consequences_and_check(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "The check that keeps it true"]


def test_decisions_are_numbered_without_gaps_and_indexed() -> None:
    numbers = [int(page.name[:4]) for page in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    index = (ROOT / "docs" / "decisions" / "index.md").read_text()
    assert [page.name for page in DECISIONS if page.name not in index] == []


PATH = re.compile(r"`((?:tests|bot|tools|config|playbooks|sandbox|deploy|docs)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_that_a_page_names_exist(page: Path) -> None:
    named = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


# ------------------------------------------------------------------------------- deployment


def manifests() -> list[dict[str, Any]]:
    base = ROOT / "deploy" / "kustomize" / "base"
    listed = yaml.safe_load((base / "kustomization.yaml").read_text())["resources"]
    return [
        document
        for file in listed
        for document in yaml.safe_load_all((base / file).read_text())
        if document
    ]


def test_the_deployed_bot_is_nobody_special_and_writes_only_its_volumes() -> None:
    (deployment,) = (m for m in manifests() if m["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_reading_identity_changes_nothing_and_reads_no_secret() -> None:
    (reader,) = (
        m for m in manifests() if m["metadata"]["name"] == "sre-agent-reader" and "rules" in m
    )
    for rule in reader["rules"]:
        assert set(rule["verbs"]) <= {"get", "list", "watch"}
        assert "secrets" not in rule["resources"]
        assert "*" not in rule["resources"]


def test_the_acting_identity_may_do_and_see_what_the_actions_on_workloads_need() -> None:
    shipped = ("pod_restart", "rollout_restart", "deployment_rollback", "config_rollback",
               "scale", "hpa_scale")  # fmt: skip
    (actor,) = (
        m for m in manifests() if m["metadata"]["name"] == "sre-agent-actor" and "rules" in m
    )
    needed, given = (_verbs(role["rules"]) for role in (yaml.safe_load(render(shipped)), actor))
    assert {key: verbs - given.get(key, set()) for key, verbs in needed.items()} == {
        key: set() for key in needed
    }
    assert not any("*" in verbs for verbs in given.values())


def _verbs(rules: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def test_the_acting_identity_is_bound_to_nothing_until_somebody_binds_it() -> None:
    bindings = [m for m in manifests() if m["kind"].endswith("Binding")]
    assert [s["name"] for b in bindings for s in b["subjects"]] == ["sre-agent"]


def test_the_image_runs_as_nobody_special_and_asks_whether_it_lives() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000:1000"]
    assert "/live" in "".join(lines[[line[:11] for line in lines].index("HEALTHCHECK") :])
    copied = {
        line.split()[1] for line in lines if line.startswith("COPY ") and "--from" not in line
    }
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    assert {path.split("/")[0] for path in copied} <= kept


# ------------------------------------------------------------------------------- Slack


def test_the_manifest_names_the_commands_and_shortcuts_and_only_socket_mode() -> None:
    manifest = yaml.safe_load((ROOT / "slack-manifest.yaml").read_text())
    commands = [c["command"] for c in manifest["features"]["slash_commands"]]
    assert commands == ["/sre", "/ask", "/postmortem"]
    shortcuts = {s["callback_id"] for s in manifest["features"]["shortcuts"]}
    assert shortcuts == {"message.ask", "message.postmortem"}
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["settings"]["org_deploy_enabled"] is False
