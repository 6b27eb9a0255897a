"""Changed files: found, audited with both hashes, shown to admins; a broken one changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.ports import AuditRow, OutboxRow
from bot.core.shared.live_files import LiveFiles, LoadedFiles
from bot.core.upkeep.rereading import Rereading
from bot.domain.ids import ChannelId, Ts
from bot.domain.place import Place
from bot.locale import Texts
from bot.store.store import SqlStore
from playbooks.loader import read_library
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import NOW
from tools.act.actions import ACTIONS
from tools.world import Catalogue

PLAYBOOK = """
id: restart
name: Restart
description: Delete the worst pod
trigger_conditions: ["memory_usage > 0.9"]
steps:
  - {name: Restart, action: pod_restart, target: "{{ target_pod }}"}
"""


@dataclass
class Desk:
    """A folder with one playbook, and the bot that reads it."""

    folder: Path
    store: SqlStore
    files: Rereading
    live_files: LiveFiles

    def write(self, text: str, name: str = "restart") -> None:
        (self.folder / f"{name}.yaml").write_text(text, encoding="utf-8")

    async def audit(self) -> list[AuditRow]:
        async with self.store.begin() as tx:
            return await tx.audit.tail(100, "files")

    async def posted(self) -> list[OutboxRow]:
        found = []
        async with self.store.begin() as tx:
            while (row := await tx.outbox.claim("t", NOW, timedelta(hours=1))) is not None:
                found.append(row)
                await tx.outbox.posted(row.id, Ts(f"1.{row.id[-6:]}"), NOW)
        return found


@pytest.fixture
def desk(store: SqlStore, tmp_path: Path) -> Desk:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "restart.yaml").write_text(PLAYBOOK, encoding="utf-8")

    def read() -> LoadedFiles:
        found = read_library([folder], ACTIONS)
        return LoadedFiles(Catalogue({}, {}), (), found.library, refused=found.refused)

    def stamp() -> tuple[tuple[str, int], ...]:
        return tuple((f.name, f.stat().st_mtime_ns) for f in sorted(folder.iterdir()))

    live_files = LiveFiles(read, stamp)
    files = Rereading(
        live_files=live_files,
        store=store,
        clock=FakeClock(NOW),
        texts=Texts("en"),
        place=lambda: Place(ChannelId("C1")),
        admins=lambda: ("U0ALICE01",),
    )
    return Desk(folder, store, files, live_files)


async def test_nothing_is_read_again_while_nothing_has_changed(desk: Desk) -> None:
    assert await desk.files.look() is None
    assert await desk.audit() == []


async def test_a_changed_playbook_is_found_audited_and_shown_to_admins_once(desk: Desk) -> None:
    before = desk.live_files.library()["restart"].sha256
    desk.write(PLAYBOOK.replace("worst pod", "pod that is worst off"))
    found = await desk.files.look()
    assert found is not None
    assert found.ok
    after = desk.live_files.library()["restart"].sha256
    (row,) = await desk.audit()
    assert (row.event.kind, row.event.actor) == ("setting.changed", "files")
    assert row.event.facts["playbook_sha256"] == {"restart": [before, after]}
    (line,) = await desk.posted()
    assert f"restart ({before[:12]} → {after[:12]})" in line.body["text"]
    assert line.body["mentions"] == ["U0ALICE01"]
    assert await desk.files.look() is None


async def test_a_playbook_that_comes_or_goes_is_a_change_too(desk: Desk) -> None:
    desk.write(PLAYBOOK.replace("id: restart", "id: again"), "again")
    (desk.folder / "restart.yaml").unlink()
    done = await desk.files.reload("U0BOB0001")
    assert "again, restart" in done.message
    (row,) = await desk.audit()
    hashes = row.event.facts["playbook_sha256"]
    assert (hashes["again"][0], hashes["restart"][1]) == ("", "")
    assert row.event.actor == "U0BOB0001"


async def test_a_broken_file_changes_nothing_and_is_told_once_with_its_line(desk: Desk) -> None:
    before = desk.live_files.library()
    desk.write(PLAYBOOK.replace("pod_restart", "pod_restrat"))
    refused = await desk.files.look()
    assert refused is not None
    assert not refused.ok
    assert desk.live_files.library() is before
    assert await desk.audit() == []
    (line,) = await desk.posted()
    assert "restart.yaml:7" in line.body["text"]
    assert "Did you mean 'pod_restart'?" in line.body["text"]
    assert await desk.files.look() is None  # the same edit is told once
    desk.write(PLAYBOOK)
    mended = await desk.files.look()
    assert mended is not None
    assert mended.ok


async def test_a_playbook_that_never_served_is_named_and_holds_up_no_other(desk: Desk) -> None:
    desk.write(PLAYBOOK.replace("id: restart", "id: again"), "again")
    desk.write("id: [", "broken")
    done = await desk.files.look()
    assert done is not None
    assert done.ok
    assert "broken.yaml:1" in done.message
    assert set(desk.live_files.library()) == {"again", "restart"}
    lines = [row.body["text"] for row in await desk.posted()]
    assert any("broken.yaml:1" in line and "does not serve" in line for line in lines)
    assert await desk.files.look() is None
    assert await desk.posted() == []  # the admins have read it


async def test_a_playbook_that_is_bad_at_the_start_does_not_keep_the_bot_from_it(
    desk: Desk,
) -> None:
    desk.write("id: [", "broken")
    started = replace(desk, live_files=LiveFiles(desk.live_files._read, desk.live_files._stamp))
    files = replace(desk.files, live_files=started.live_files)
    assert set(started.live_files.library()) == {"restart"}
    assert await files.look() is None
    (line,) = await desk.posted()
    assert "broken.yaml:1" in line.body["text"]
    desk.write(PLAYBOOK.replace("pod_restart", "pod_restrat"))
    lost = await files.look()
    assert lost is not None
    assert not lost.ok
    assert set(started.live_files.library()) == {"restart"}
