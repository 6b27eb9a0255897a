"""The words by which unknown metrics and labels are understood: data, in `vocabulary.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from foundation.yaml_file import read_yaml

FILE = Path(__file__).parent / "vocabulary.yaml"


def listed(of: str) -> frozenset[str]:
    """Return one list of words. Raises KeyError for a list that the file lacks."""
    return _lists()[of]


@cache
def _lists() -> Mapping[str, frozenset[str]]:
    return {name: frozenset(str(text).split()) for name, text in read_yaml(FILE).value.items()}
