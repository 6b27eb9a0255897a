"""What a run samples is drawn by a seed, and no kind of thing is left out."""

from __future__ import annotations

import pytest

from tests import seed as seeds
from tests.seed import VARIABLE, seed, stratified

ITEMS = [(letter, number) for letter in "abcdef" for number in range(20)]


@pytest.mark.parametrize("by", range(25))
def test_every_kind_is_drawn_whatever_the_seed(by: int) -> None:
    drawn = stratified(ITEMS, lambda each: each, by=by)
    assert {letter for letter, _ in drawn} == set("abcdef")
    assert {number for _, number in drawn} == set(range(20))
    assert len(drawn) <= 26
    assert drawn == sorted(drawn)
    assert drawn == stratified(ITEMS, lambda each: each, by=by)


def test_seeds_differ_and_at_least_so_many_are_drawn() -> None:
    assert len({tuple(stratified(ITEMS, lambda each: each, by=by)) for by in range(25)}) > 20
    assert len(stratified(ITEMS, lambda _: (), by=1, least=40)) == 40
    assert stratified(ITEMS, lambda _: (), by=1, least=500) == ITEMS


def test_the_environment_names_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "77")
    assert seed.__wrapped__() == 77


def test_a_commit_names_the_seed_where_nobody_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert seed.__wrapped__() == seed.__wrapped__() > 0
    monkeypatch.setattr(seeds, "ROOT", tmp_path)  # no repository: the day names it
    assert seed.__wrapped__() > 700_000
