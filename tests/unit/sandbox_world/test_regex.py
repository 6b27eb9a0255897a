"""Go's regular expressions in Python: what differs is said right or refused by name."""

import re

import pytest

from sandbox.prometheus.regex import compile_regex


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a|b", "b", "ab"),
        ("a.c", "abc", "a\nc"),
        ("(?s)a.c", "a\nc", "ac"),
        ("(?i)ok", "OK", "NO"),
        ("[[:digit:]]+", "42", "4x"),
        ("[^[:space:]]+", "ab", "a b"),
        ("[[]x", "[x", "x"),
        ("[]x]", "]", "y"),
        (r"\d+\z", "7", "٧"),
        ("a{2}", "aa", "a"),
        ("a{,2}", "a{,2}", "aa"),
        ("a+?b", "aab", "b"),
        (r"(?P<team>\w+)-(?:x)", "a-x", "a-y"),
    ],
)
def test_a_pattern_means_what_it_means_to_prometheus(
    pattern: str, matching: str, other: str
) -> None:
    assert compile_regex(pattern).fullmatch(matching)
    assert not compile_regex(pattern).fullmatch(other)


@pytest.mark.parametrize(
    ("pattern", "culprit"),
    [
        ("a++", "`+`"),
        ("a(?=b)", "`(?=b`"),
        ("(?<=a)b", "`(?<=`"),
        (r"(a)\1", r"`\1`"),
        (r"\p{Han}", r"`\p`"),
        (r"[\pL]", "Unicode classes"),
        ("[[:nothing:]]", "`[:nothing:]`"),
        ("[a", "missing closing ]"),
        ("(?U)a", "flag U"),
    ],
)
def test_what_cannot_be_said_is_refused_by_name(pattern: str, culprit: str) -> None:
    with pytest.raises(re.error, match=re.escape(culprit)):
        compile_regex(pattern)
