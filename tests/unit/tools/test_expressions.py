"""Between slashes stands an expression; it is read before it is sent, and bounded."""

from __future__ import annotations

import pytest

from tools.errors import BadArgumentError
from tools.observe.expressions import LONGEST, sought


@pytest.mark.parametrize(
    ("text", "words", "pattern"),
    [
        ("timeout", "timeout", ""),
        ("/time.*out/", "", "time.*out"),
        (" /time.*out/i ", "", "time.*out"),
        ("/healthz", "/healthz", ""),
        ("GET /a/", "GET /a/", ""),
        ("/", "/", ""),
        ("//", "//", ""),
        ("/api/v1/orders/", "", "api/v1/orders"),
        ("", "", ""),
    ],
)
def test_words_are_words_unless_they_stand_between_slashes(
    text: str, words: str, pattern: str
) -> None:
    assert sought(text) == (words, pattern)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("/a*/", "matches every line"),
        ("/(unclosed/", "no RE2 expression"),
        ("/(?=ahead)x/", "look-around"),
        ("/" + "x" * (LONGEST + 1) + "/", "may have 300 characters"),
        ("/((x{1,1000}){1,1000}){1,1000}y/", "no RE2 expression"),
    ],
)
def test_an_expression_that_cannot_be_searched_for_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadArgumentError, match=why):
        sought(text)
