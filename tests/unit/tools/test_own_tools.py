"""A team's own tool: what docs/add-a-tool.md shows works, and none can do more than ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.act.contract import Actors
from tools.catalog import ALL, GIVEN, load_tools
from tools.contract import Risk, Tool, Toolbox, ToolResult, tool
from tools.errors import NotFoundError
from tools.extensions import ExtensionError
from tools.ports import Clock, ClusterActor, HttpCaller, Metrics

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PAGE = Path(__file__).resolve().parents[3] / "docs" / "add-a-tool.md"
QUERY = "sum by (consumergroup) (kafka_consumergroup_lag)"
HEAD = """
from tools.act.contract import Actors
from tools.contract import Risk, Tool, ToolResult, tool
from tools.ports import Clock, ClusterActor, PlanDesk
"""


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The page's own code, mounted as the page says."""
    (code,) = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    (tmp_path / "kafka.py").write_text(code, encoding="utf-8")
    return tmp_path


@pytest.fixture
def box(mounted: Path) -> Toolbox:
    metrics = FakeMetrics()
    times = [NOW.timestamp() - 60.0 * k for k in range(60, -1, -1)]
    metrics.put(QUERY, {"consumergroup": "ledger"}, times, [2.0] * 61)
    metrics.put(QUERY, {"consumergroup": "orders"}, times, [10.0] * 60 + [4000.0])
    return Toolbox(load_tools([mounted]), {Metrics: metrics, Clock: FakeClock(NOW)})


async def test_the_tool_of_the_page_is_called_like_a_shipped_one(box: Toolbox) -> None:
    found = await box.call("consumer_lag", {"window": "30m"})
    told = found.summary.splitlines()
    assert told[0].startswith("lag of 2 consumer groups, 2026-11-20T11:30:00Z")
    assert told[1].startswith("- orders: latest 4000 messages")
    assert found.payload["orders"]["max"] == 4000.0
    with pytest.raises(NotFoundError, match=r"'shop'.*known: ledger, orders"):
        await box.call("consumer_lag", {"group": "shop"})


def test_it_stands_after_what_reads_and_before_what_proposes(mounted: Path) -> None:
    names = [each.name for each in load_tools([mounted])]
    assert names.index("query_metric") < names.index("consumer_lag") < names.index("propose_plan")
    assert len(names) == len(ALL) + 1


def test_its_schema_is_closed_and_flat(mounted: Path) -> None:
    (own,) = [each for each in load_tools([mounted]) if each not in ALL]
    schema = own.schema()
    assert schema["additionalProperties"] is False
    assert {name: part["type"] for name, part in schema["properties"].items()} == {
        "group": "string",
        "window": "string",
    }


# ------------------------------------------------------------------- what it can never be given


def test_nothing_a_tool_is_given_can_act() -> None:
    acting = {ClusterActor, Actors, HttpCaller}
    changing = {"patch", "delete", "create", "call", "execute", "approve", "claim", "need_cluster"}
    assert GIVEN.isdisjoint(acting)
    assert {kind.__name__ for kind in GIVEN if changing & set(dir(kind))} == set()
    assert set(Risk) == {Risk.READ, Risk.PROPOSE}


@pytest.mark.parametrize(
    ("parameters", "risk", "complaint"),
    [
        ("actor: ClusterActor, /", "READ", r"asks for ClusterActor \('actor'\); .*only: .*Clock"),
        ("actors: Actors, /", "PROPOSE", "asks for Actors"),
        ("desk: PlanDesk, /", "READ", "asks for PlanDesk .*risk=Risk.PROPOSE"),
        ("what: dict[str, str]", "READ", "own.py:7: .*argument 'what' must be text, number"),
        ("what: object", "READ", "own.py:7: .*argument 'what' must be"),
        ("what: int", "ACT", "own.py:7: .*AttributeError.*ACT"),
    ],
)
def test_a_tool_that_asks_for_more_is_refused_by_name(
    tmp_path: Path, parameters: str, risk: str, complaint: str
) -> None:
    described = '"""Look.\n\n    Args:\n        what: That.\n    """'
    code = f"{HEAD}\n\n@tool(risk=Risk.{risk})\nasync def own({parameters}) -> ToolResult:\n"
    (tmp_path / "own.py").write_text(f"{code}    {described}\n    return ToolResult('', 1)\n")
    with pytest.raises(ExtensionError, match=complaint):
        load_tools([tmp_path])


def test_a_tool_built_by_hand_has_no_third_risk(tmp_path: Path) -> None:
    code = (
        f"{HEAD}\nfrom tools.catalog import ALL\n"
        "first = ALL[0]\n"
        "forged = Tool('forged', 'x', 'act', first.arguments, {}, first.function)\n"
    )
    (tmp_path / "own.py").write_text(code)
    with pytest.raises(ExtensionError, match="risk 'act' is neither READ nor PROPOSE"):
        load_tools([tmp_path])


async def test_an_argument_of_a_closed_model_list_is_offered_and_an_open_one_is_not() -> None:
    from pydantic import BaseModel, ConfigDict

    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: str

    class Open(BaseModel):
        name: str

    def offered(kind: Any) -> Tool:
        async def look(rows: list[Any]) -> ToolResult:
            """Look.

            Args:
                rows: Some.
            """
            return ToolResult(str(len(rows)), len(rows))

        look.__annotations__["rows"] = list[kind]
        return tool(risk=Risk.READ)(look)

    box = Toolbox([offered(Closed)], {})
    assert (await box.call("look", {"rows": [{"name": "a"}]})).payload == 1
    with pytest.raises(TypeError, match="'rows'"):
        offered(Open)
