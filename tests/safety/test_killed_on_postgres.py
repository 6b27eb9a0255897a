"""A bot killed around every mutating request and a commit of each phase, on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.safety.crash import REQUESTS, on_postgres
from tests.seed import seed


@pytest.mark.slow
@pytest.mark.needs_postgres
@pytest.mark.timeout(1500)
async def test_a_bot_killed_at_any_instruction_repeats_nothing_and_comes_to_an_end(
    tmp_path: Path,
) -> None:
    found = await on_postgres(tmp_path, sampled_by=seed())  # whole: python -m bench safety --whole
    assert found.unresolved == []
    assert found.doubled == 0
    assert found.requests == REQUESTS  # three steps and their way back, three steps that helped
    assert found.points > 2 * sum(found.requests.values())  # and every commit around them
    assert {"rolled_back", "succeeded"} <= found.ends.keys()
