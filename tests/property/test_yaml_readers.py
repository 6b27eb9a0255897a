"""libyaml is fast, Python's reader is the judge: what both can read they read alike."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from foundation import yaml_file
from foundation.yaml_file import YamlFile, YamlFileError, parse_yaml

PIECES = st.sampled_from(
    [
        "a", "b", "key", "12", "012", "1.5", "no", "true", "~", "ä", "日", "😀", "=", "''", "<<",
        ":", ": ", "- ", ",", "[", "]", "{", "}", "'", '"', "#", " # x", "&x ", "*x", "!!str ",
        "!t ", "|", ">", "?", "? ", "%", "@", "`", "\t", "---\n", "...\n", "\\", "${A:-b}",
        "\\ud83d", "\\U00110000", "\\x41", "%YAML 1.2\n",
        "\n", "\n  ", "\n    ", "\r\n", "\x85", "\u2028", "\ufeff", "\x07",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=24).map("".join)


def judged(text: str, loader: Any) -> YamlFile | str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yaml_file, "_FAST", loader)
        try:
            return parse_yaml(text, "f")
        except YamlFileError as error:
            return str(error)


def places(read: YamlFile) -> list[object]:
    found: list[object] = []
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), read.value)]
    while waiting:
        path, value = waiting.pop()
        found.append((path, read.place(path), read.written(path)))
        if isinstance(value, dict):
            waiting += [((*path, str(key)), each) for key, each in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), each) for index, each in enumerate(value)]
    return found


@given(TEXTS)
def test_the_fast_reader_and_the_plain_one_agree(text: str) -> None:
    fast, plain = judged(text, yaml.CSafeLoader), judged(text, yaml.SafeLoader)
    if isinstance(fast, str):
        # A refusal is always the plain one's, but for ours of a text that libyaml alone reads.
        ours_alone = "not YAML" not in fast and "not YAML" in str(plain)
        assert isinstance(plain, str)
        assert fast == plain or ours_alone
    elif not isinstance(plain, str):  # it alone refuses a tab at a line's end, and `[a?]`
        assert fast.value == plain.value
        assert places(fast) == places(plain)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    told = "f:"
    try:
        parse_yaml(text, "f")
    except YamlFileError as error:
        told = str(error)
    assert told.startswith("f:")
