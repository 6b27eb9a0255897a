"""`python -m bench NAME [--data DIR] [--json]`: the benches and how to start one."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console

from foundation.nearest import nearest

BENCHES = {
    "logs": "templates of log lines: grouping accuracy and speed, beside drain3",
    "perception": "a week of 200 series from a real Prometheus, beside prometheus-api-client",
    "safety": "guards, injection, race, load and crashes: what must never happen, counted",
}
THOROUGH = frozenset({"safety"})  # benches that `--full` makes longer


def main(arguments: list[str] | None = None) -> int:
    """Run one bench and print what it found; the last line is JSON with `--json`."""
    listing = "\n".join(f"  {name:12} {sentence}" for name, sentence in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure ours against a peer or a limit, in the same run.",
        epilog=f"benches:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", default="", help="which bench; all when left out")
    parser.add_argument("--data", type=Path, help="folder of recorded data; else it is generated")
    parser.add_argument("--json", action="store_true", help="print one JSON object as last line")
    parser.add_argument("--full", action="store_true", help="safety: kill at reads as well")
    given = parser.parse_args(arguments)
    if given.name and given.name not in BENCHES:
        parser.error(f"no bench named {given.name!r}.{nearest(given.name, BENCHES)}")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data {str(given.data)!r} is no folder")
    for name in [given.name] if given.name else list(BENCHES):
        longer = {"full": True} if given.full and name in THOROUGH else {}
        report = importlib.import_module(f"bench.{name}").run(given.data, **longer)
        report.show(Console(stderr=given.json))
        if given.json:
            sys.stdout.write(json.dumps(report.as_json()) + "\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
