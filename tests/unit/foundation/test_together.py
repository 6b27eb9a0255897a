"""Several questions at once: when one fails, nobody is left asking."""

from __future__ import annotations

import asyncio

import pytest

from foundation.together import all_or_none


async def say(word: str, after: asyncio.Event | None = None) -> str:
    if after is not None:
        await after.wait()
    return word


async def test_every_answer_comes_in_the_order_of_the_questions() -> None:
    late = asyncio.Event()

    async def release() -> str:
        late.set()
        return "second"

    assert await all_or_none(say("first", late), release()) == ["first", "second"]


async def test_the_first_error_is_raised_when_the_others_have_been_given_up() -> None:
    ended: list[str] = []

    async def for_ever() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # what is given up closes its connection first
            ended.append("given up")
        return "never"

    async def fail() -> str:
        raise ConnectionError("refused")

    with pytest.raises(ConnectionError, match="refused"):
        await all_or_none(for_ever(), fail(), for_ever())
    assert ended == ["given up", "given up"]


async def test_who_is_cancelled_gives_up_every_question() -> None:
    ended, begun = [], asyncio.Event()

    async def for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")

    asking = asyncio.create_task(all_or_none(for_ever(), for_ever()))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended == ["given up", "given up"]
