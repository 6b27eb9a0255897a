"""What a team mounts is loaded whole, or the file and line that stands in the way is named."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tools.catalog import ALL
from tools.contract import Tool
from tools.extensions import ExtensionError, load_extensions

GROUP = "sre_agent.tests"
GOOD = '''
from __future__ import annotations

from tools.contract import Risk, ToolResult, tool
from tools.observe.knowledge import get_time
from tools.ports import Clock


@tool(risk=Risk.READ)
async def {name}(clock: Clock, /, shop: str) -> ToolResult:
    """Say how long the queue of a shop is.

    Args:
        shop: Name of the shop.
    """
    return ToolResult(f"{{shop}}: 4", {{"shop": shop}})
'''


def mounted(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def loaded(folder: Path) -> list[str]:
    return [each.name for each in load_extensions([folder], GROUP, Tool, shipped=ALL)]


def test_a_mounted_module_brings_its_own_tool_and_not_the_ones_it_imports(tmp_path: Path) -> None:
    folder = mounted(tmp_path, queue=GOOD.format(name="queue_length"), _shared="raise OSError")
    assert loaded(folder) == ["queue_length"]


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    assert loaded(mounted(tmp_path, queue=GOOD.format(name="queue_length"))) == ["queue_length"]
    assert loaded(mounted(tmp_path, queue=GOOD.format(name="queue_lengtg"))) == ["queue_lengtg"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("import os\n\nimport no_such_module\n", r"bad.py:3: .*ModuleNotFoundError: .*no_such"),
        ("x = (\n", r"bad.py:1: cannot be loaded: SyntaxError: '\(' was never closed"),
        ("\n\n1 / 0", r"bad.py:3: .*ZeroDivisionError"),
        ("raise SystemExit(3)", r"bad.py:1: .*SystemExit: 3"),
        ("x = 1", r"bad.py:1: holds no tool; .*underscore"),
        (GOOD.format(name="query_metric"), r"bad.py:10: tool 'query_metric' already is shipped"),
        (GOOD.format(name="first"), r"bad.py:10: tool 'first' already stands at .*aaa.py:10"),
        (GOOD.replace("shop: Name", "shp: Name").format(name="q"), r"bad.py:9: .*argument 'shop'"),
    ],
)
def test_a_broken_module_is_named_to_the_line_and_nothing_is_loaded(
    tmp_path: Path, text: str, complaint: str
) -> None:
    folder = mounted(tmp_path, aaa=GOOD.format(name="first"), bad=text)
    with pytest.raises(ExtensionError, match=complaint) as told:
        loaded(folder)
    assert "\n" not in str(told.value)


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="gone: no such folder; mount it"):
        loaded(tmp_path / "gone")


def installed(site: Path, points: str) -> None:
    info = site / "shop_tools-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-tools\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\n{points}\n")


@pytest.mark.parametrize("point", ["q = shop_a", "q = shop_a:queue_length", "q = shop_a:BOTH"])
def test_an_installed_package_offers_a_module_a_tool_or_a_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    mounted(tmp_path, shop_a=GOOD.format(name="queue_length") + "\nBOTH = [queue_length]\n")
    installed(tmp_path, point)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [e.name for e in load_extensions([], GROUP, Tool, shipped=ALL)] == ["queue_length"]


@pytest.mark.parametrize(
    ("point", "complaint"),
    [
        ("q = shop_gone", "entry point 'q' .*ModuleNotFoundError"),
        ("q = shop_b:X", r"entry point 'q' \(shop_b:X\).*: 1 is no tool"),
    ],
)
def test_a_broken_entry_point_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, complaint: str
) -> None:
    mounted(tmp_path, shop_b="X = 1")
    installed(tmp_path, point)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ExtensionError, match=complaint):
        load_extensions([], GROUP, Tool)
