"""A team's own action: what docs/add-an-action.md shows works, and none judges itself mildly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.store.store import SqlStore
from playbooks.loader import load_library, parse
from tests.fakes.decision import Production
from tests.unit.act.conftest import Stage
from tools.act.actions import ACTIONS, KIND_FLOORS, load_actions
from tools.act.contract import Probe, bind, parse_parameters
from tools.errors import LostRaceError
from tools.extensions import ExtensionError
from tools.world import WorkloadRef

PAGE = Path(__file__).resolve().parents[3] / "docs" / "add-an-action.md"
LEDGER = WorkloadRef("default", "trading", "Deployment", "ledger")


def block(language: str, holds: str) -> str:
    """Return the page's fenced block of a language that holds a text."""
    found = re.findall(
        rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (text,) = [each for each in found if holds in each]
    return str(text)


def written(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(text, encoding="utf-8")
    return folder


async def test_the_pages_action_runs_forth_and_back_on_the_sandbox(
    stage: Stage, tmp_path: Path
) -> None:
    known = load_actions([written(tmp_path / "actions", block("python", "class "))])
    action = known["rollout_pause"]
    state = await action.observe(stage.actors, LEDGER, parse_parameters(action, {}))
    assert [str(line) for line in action.preview(state).diff] == ["paused: false → true"]
    bound = bind(action, state)
    await action.dry_run(stage.actors, bound)
    assert stage.effects == []
    await action.execute(stage.actors, bound, "PLAN-1/do/0")
    await action.execute(stage.actors, bound, "PLAN-1/do/0")
    assert stage.effects == ["patch deployments"]
    assert stage.item(LEDGER)["spec"]["paused"] is True
    assert await action.probe(stage.actors, bound, "PLAN-1/do/0") is Probe.DONE
    with pytest.raises(LostRaceError):
        await action.execute(stage.actors, bound, "PLAN-2/do/0")
    undo = action.undo_of(state)
    assert undo is not None
    back = parse_parameters(known[undo.action], undo.parameters)
    again = await known[undo.action].observe(stage.actors, undo.target, back)
    await known[undo.action].execute(stage.actors, bind(action, again), "PLAN-1/undo/0")
    assert stage.item(LEDGER)["spec"]["paused"] is False


OWN = """
id: own
name: Own
description: A team's own action
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {name: Pause, action: rollout_pause, target: Deployment/shop}
verify: [{expression: order_error_rate < 2%, window_seconds: 600}]
"""


def silent(page: str) -> str:
    """Return the page's action without the part that says what it touches."""
    found = re.sub(r"    async def effects\(.*?\n\n", "", page, flags=re.DOTALL)
    assert found != page
    return found


@pytest.mark.parametrize(("says", "people"), [(True, 1), (False, 2)])
async def test_an_action_that_does_not_say_what_it_touches_takes_two_people_and_is_judged_anyway(
    store: SqlStore, tmp_path: Path, says: bool, people: int
) -> None:
    page = block("python", "class ")
    known = load_actions([written(tmp_path / "actions", page if says else silent(page))])
    world = Production(store, actions=dict(known))
    loaded = parse(OWN.encode(), "own.yaml", frozenset(known))
    world.playbooks = {loaded.playbook.id: loaded}
    plan = (await world.record(await world.planned("own"))).plan
    assert plan.approvers_needed == people
    effects = plan.body.effects()
    assert effects is not None
    assert [(str(each.owner), each.maximum) for each in effects.pods] == [
        ("trading/Deployment/shop", 3)
    ]
    owner = {"kind": "CronJob", "name": "above", "uid": "uid-above", "controller": True}
    shop = world.cluster.objects["Deployment", "trading", "shop"]
    shop["metadata"]["ownerReferences"] = [owner]
    labels = {"do-not-remediate": "true"}
    above = {"namespace": "trading", "name": "above", "uid": "uid-above", "labels": labels}
    world.cluster.put({"kind": "CronJob", "metadata": above})
    refused = await world.propose("own", "cart")
    assert refused.refused_by == "protected_label"


def test_the_pages_playbook_is_read_with_its_action_and_not_without(tmp_path: Path) -> None:
    known = load_actions([written(tmp_path / "actions", block("python", "class "))])
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "hold.yaml").write_text(block("yaml", "hold-a-bad-rollout"), encoding="utf-8")
    library = load_library([folder], known, ["order_error_rate"])
    assert library["hold-a-bad-rollout"].playbook.actions() == {"rollout_pause"}
    with pytest.raises(ValueError, match="rollout_pause"):
        load_library([folder], ACTIONS, ["order_error_rate"])


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('name = "rollout_pause"', 'name = "scale"', "'scale' already is shipped"),
        ('name = "rollout_pause"', 'name = "Rollout Pause"', "lower case"),
        ("    floor = 0.4\n", "    floor = 1.4\n", "floor 1.4 is no risk"),
        ("    floor = 0.4\n", "    floor = -0.1\n", "floor -0.1 is no risk"),
        ("    floor = 0.4\n", "    floor = True\n", "floor True is no risk"),
        ("    floor = 0.4\n", "    floor = None\n", "floor None is no risk"),
        ("    floor = 0.4\n", "", "must say its floor"),
        ('("Deployment",)', '("Node",)\n    floor = 0.2', "floor 0.2 is below 0.4"),
        ('("Deployment",)', '("Cluster",)', "floor 0.4 is below 0.6"),
        ('("Deployment",)', '("Rollout",)\n    floor = 0.1', "below 0.4, the least.* a Rollout"),
        ('("Deployment",)', "()", "must name what it acts on"),
        ("parameters = PauseParameters", "parameters = dict", "must be a subclass"),
        ("rollout_pause = RolloutPause()", "", "holds no action"),
        ("import ActionRefusedError", "import ActionRefused", r"mine.py:\d+: cannot be loaded"),
    ],
)
def test_an_action_that_could_not_be_judged_is_an_error_in_one_line(
    tmp_path: Path, old: str, new: str, why: str
) -> None:
    page = block("python", "class ")
    assert old in page
    folder = written(tmp_path / "actions", page.replace(old, new))
    with pytest.raises(ExtensionError, match=why) as told:
        load_actions([folder])
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("floor", ["0.4", "1", "1.0"])
def test_an_action_may_be_as_risky_as_it_says(tmp_path: Path, floor: str) -> None:
    page = block("python", "class ").replace("    floor = 0.4\n", f"    floor = {floor}\n")
    assert load_actions([written(tmp_path / "actions", page)])["rollout_pause"].floor == float(
        floor
    )


def test_an_action_on_pods_alone_may_be_as_mild_as_a_restart(tmp_path: Path) -> None:
    page = block("python", "class ").replace('("Deployment",)', '("Pod",)')
    page = page.replace("    floor = 0.4\n", "    floor = 0\n")
    assert load_actions([written(tmp_path / "actions", page)])["rollout_pause"].floor == 0


def test_no_shipped_action_is_below_the_floor_of_its_kinds() -> None:
    assert {kind: KIND_FLOORS[kind] for kind in ("Node", "Endpoint", "CronJob", "Cluster")} == {
        "Node": 0.4,
        "Endpoint": 0.4,
        "CronJob": 0.4,
        "Cluster": 0.6,
    }
    for action in ACTIONS.values():
        assert all(action.floor >= KIND_FLOORS[kind] for kind in action.kinds)
