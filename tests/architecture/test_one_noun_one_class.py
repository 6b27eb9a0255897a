"""A noun is one class: who reads its name anywhere in the product knows which one is meant."""

import ast
from collections import defaultdict

from tests.architecture.source import OURS, sources

# A state is named inside the life it belongs to: a plan runs and fails, and so does a run.
STATES = {
    "Failed": {"bot/domain/plans/plan_life.py", "bot/domain/run.py"},
    "Running": {"bot/domain/plans/plan_life.py", "bot/domain/run.py"},
}


def test_no_two_classes_of_the_product_share_a_name() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for source in sources(*OURS):
        for node in source.nodes:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].add(source.path)
    assert len(places) > 300
    assert {name: files for name, files in places.items() if len(files) > 1} == STATES
