"""What a word without quotes means: YAML 1.2's core schema, and nothing that surprises."""

from typing import Any

import pytest

from foundation.yaml_scalars import ScalarError, read_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None),
        ("true", True), ("True", True), ("FALSE", False),
        ("0", 0), ("12", 12), ("-3", -3), ("+3", 3), ("0o14", 12), ("0x1F", 31),
        ("0.5", 0.5), (".5", 0.5), ("5.", 5.0), ("-0.25", -0.25), ("1e3", 1000.0), ("2.5E-1", 0.25),
        ("1.10", 1.1),
    ],
)  # fmt: skip
def test_the_core_schema_is_read(text: str, value: Any) -> None:
    assert (read_scalar(text), type(read_scalar(text))) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "yes", "no", "on", "off", "Yes", "NO", "y", "n",  # bools of YAML 1.1
        "1:30", "22:15:00", "-1:30",  # numbers to base 60
        "1_000", "0b11", "0o8", "0xG",
        "2026-03-02", "2026-03-02T10:00:00Z",  # dates
        "tRUE", "nULL", "nil", "None", ".", "-", "+", "e3", "1e", "1.2.3", "=", "12px", "٣",
    ],
)  # fmt: skip
def test_everything_else_is_the_text_as_it_stands(text: str) -> None:
    assert read_scalar(text) == text


@pytest.mark.parametrize("text", ["012", "-012", "+07", "08", "00"])
def test_a_leading_zero_is_refused_because_readers_differ(text: str) -> None:
    with pytest.raises(ScalarError, match=r"octal to some readers .* in quotes if it is a text"):
        read_scalar(text)


@pytest.mark.parametrize("text", [".inf", "-.Inf", "+.INF", ".nan", ".NaN", ".NAN", "1e999"])
def test_what_cannot_be_compared_is_refused(text: str) -> None:
    with pytest.raises(ScalarError, match=r"no number to compare with|beyond every number"):
        read_scalar(text)


@pytest.mark.parametrize("text", ["9" * 65, "0." + "1" * 100_000])
def test_a_number_too_long_to_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ScalarError, match=f"a number of {len(text)} characters, .{{20}}…; put it"):
        read_scalar(text)
