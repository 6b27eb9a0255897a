"""A bot killed at a request and at a commit in a plan of every other action, on SQLite.

Which actions are told here and which on PostgreSQL is drawn anew by each commit's seed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.safety.crash import on_sqlite
from tests.safety.crash_stories import STORIES
from tests.seed import seed


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_a_bot_killed_in_any_action_repeats_nothing_and_comes_to_an_end(
    tmp_path: Path,
) -> None:
    found = await on_sqlite(tmp_path, sampled_by=seed())  # whole: python -m bench safety --whole
    assert found.unresolved == []
    assert found.doubled == 0
    assert len(found.stories) in {len(STORIES) // 2, len(STORIES) - len(STORIES) // 2}
    assert found.points == 2 * len(found.stories)
