"""A team's own tool is seen by check-config, doctor and every question; a broken one is named."""

from __future__ import annotations

import json
import re
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.composition.parts import open_parts
from bot.composition.terminal import terminal_desk
from bot.core.investigation.causes import CauseSheet
from bot.domain.place import TERMINAL
from bot.settings import load_settings
from tests.fixtures.nouns import a_run

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own = tmp_path / "tools"
    own.mkdir()
    monkeypatch.setenv("SRE_AGENT_PATHS__TOOLS", json.dumps([str(own)]))
    page = (ROOT / "docs" / "add-a-tool.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (own / "kafka.py").write_text(code, encoding="utf-8")
    return own


def test_check_config_and_doctor_name_the_tools_of_a_team(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check-config"]) == 0
    assert "1 of them your own: consumer_lag" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 0
    rows = {r["name"]: r for r in json.loads(capsys.readouterr().out)["dependencies"]}
    assert rows["tools"]["state"] == "ok"
    assert rows["tools"]["detail"].endswith("your own: consumer_lag")


@pytest.mark.parametrize("command", [["check-config"], ["ask", "is all well?"], ["run"]])
def test_a_broken_tool_is_named_to_the_line_and_nothing_starts(
    folder: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    (folder / "broken.py").write_text("import asyncio\n\nimport kafka_of_nobody\n")
    assert main(command) == 1
    told = capsys.readouterr().err
    assert "broken.py:3: cannot be loaded: ModuleNotFoundError" in told
    assert told.count("\n") == 1


async def test_every_question_is_offered_the_tool_and_a_bad_reload_keeps_it(folder: Path) -> None:
    run = a_run(place=TERMINAL, asked_by=None)
    async with open_parts(load_settings()) as parts, AsyncExitStack() as stack:
        desk = terminal_desk(parts, stack)
        box = desk._toolbox_of(run, CauseSheet())
        assert box.absent["consumer_lag"] == "Metrics"  # known, and off without Prometheus
        (folder / "kafka.py").write_text("1 / 0\n")
        refused = await parts.live_files.reload("U1", parts.store, parts.clock)
        assert not refused.ok
        assert "kafka.py:1: cannot be loaded: ZeroDivisionError" in refused.message
        assert "stay in force" in refused.message
        assert "consumer_lag" in desk._toolbox_of(run, CauseSheet()).absent
        (folder / "kafka.py").unlink()
        assert (await parts.live_files.reload("U1", parts.store, parts.clock)).ok
        assert "consumer_lag" not in desk._toolbox_of(run, CauseSheet()).absent
