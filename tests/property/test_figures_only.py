"""Whatever shape a result has, a limited service's texts are not in what is left of it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core.investigation.model.figures_only import NAMES, STATES, TEXTS, reduced
from bot.core.investigation.model.limits import Limits
from tests.fakes.decision import service
from tools.world import Catalogue, ModelData, ServiceName

SAID = "cnr said it"
LIMITS = Limits(
    Catalogue(
        {},
        {
            ServiceName("cart"): service("cart", model_data=ModelData.FIGURES),
            ServiceName("vault"): service("vault", model_data=ModelData.NOTHING),
        },
    )
)
WORDS = st.sampled_from([SAID, f"12 {SAID}", f"{SAID} 5 ms", f"2026-11-20 {SAID}", f"[{SAID}]"])
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
KEYS = st.sampled_from(
    sorted({*NAMES, *STATES, *TEXTS, "points", "sketch", "by_service", "by_level", "nodes", SAID})
)
OWNED = st.fixed_dictionaries({"service": st.sampled_from(["cart", "vault", "nobody", "shop@x"])})
PAYLOADS = st.recursive(
    WORDS | NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.tuples(OWNED, st.dictionaries(KEYS, inner, max_size=4)).map(lambda p: {**p[1], **p[0]})
    ),
    max_leaves=20,
)


@given(PAYLOADS, st.sampled_from([None, ModelData.FIGURES, ModelData.NOTHING]))
def test_no_text_of_a_limited_service_is_left(payload: Any, asked: ModelData | None) -> None:
    left = reduced(payload, LIMITS, asked)
    assert left.level is not ModelData.ALL
    assert "cnr" not in json.dumps(left.value)


@given(PAYLOADS)
def test_what_is_left_is_nothing_new(payload: Any) -> None:
    def leaves(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {leaf for each in value.values() for leaf in leaves(each)}
        if isinstance(value, list | tuple):
            return {leaf for each in value for leaf in leaves(each)}
        return {repr(value)}

    left = reduced(payload, LIMITS, ModelData.FIGURES).value
    assert left is None or leaves(left) <= leaves(payload)
