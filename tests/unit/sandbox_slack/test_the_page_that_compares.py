"""docs/sandbox-slack.md says of every method that is served how far it is imitated."""

import re

from sandbox.slack.methods.table import METHODS
from tests.architecture.source import ROOT

PAGE = (ROOT / "docs" / "sandbox-slack.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([\w.]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def test_the_table_names_every_method_that_is_served() -> None:
    told = {name: tier for name, tier, *_ in ROW.findall(PAGE)}
    served = {name: str(method.tier or "special") for name, method in METHODS.items()}
    assert told == served


def test_every_method_imitates_something() -> None:
    assert [name for name, _, imitated, *_ in ROW.findall(PAGE) if imitated.strip() == "–"] == []
