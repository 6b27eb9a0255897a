"""The hand brake on a disk that takes a file's name and no word of it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bot.core.remediation.guarding.hand_brake import HandBrake


async def test_an_empty_file_that_a_full_disk_left_is_removed_with_the_hand_brake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "halt"
    brake = HandBrake(path)
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        assert await brake.pull("UANN: it burns")
    assert path.read_bytes() == b""
    await brake.let_go()
    assert not path.exists()


async def test_an_empty_file_that_a_person_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "halt"
    path.touch()
    brake = HandBrake(path)
    assert await brake.pull("UANN: it burns")
    await brake.let_go()
    assert path.exists()
