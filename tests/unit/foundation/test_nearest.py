"""The one `did you mean`."""

import time

from foundation.nearest import nearest


def test_a_misspelt_name_is_told_the_one_that_was_meant() -> None:
    assert nearest("hpa_scal", ["hpa_scale", "scale"]) == " Did you mean 'hpa_scale'?"


def test_a_name_like_no_other_is_told_all_of_them_in_order() -> None:
    assert nearest("zzz", ["drain", "cordon"]) == " Known: cordon, drain."


def test_of_many_names_twenty_are_told() -> None:
    told = nearest("zzz", [f"metric_{n:03}" for n in range(500)])
    assert told.count(",") == 19


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert nearest("zzz", []) == ""


def test_a_name_of_a_million_characters_costs_little() -> None:
    began = time.process_time()
    nearest("a" * 1_000_000, [f"metric_{n:03}" for n in range(500)])
    assert time.process_time() - began < 5
