"""Which label of a log store names services, told by its values."""

from __future__ import annotations

from datetime import timedelta

import pytest
import respx
from httpx import Response

from tests.fakes.clock import FakeClock
from tools.backends.loki import Loki, LokiConfig
from tools.onboarding.log_labels import LogLabels, log_labels
from tools.world import Window

SERVICES = ("cart", "mail", "stock")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"app": ["cart", "mail", "fluent"], "pod": ["cart-1"], "lvl": ["INFO", "warn"]},
            LogLabels("app", 2, "lvl"),
        ),
        ({"job": ["a", "cart", "x"], "service_name": ["Cart"]}, LogLabels("service_name", 1, "")),
        ({"filename": ["/var/log/cart.log"]}, LogLabels("", 0, "")),
        ({}, LogLabels("", 0, "")),
    ],
)  # fmt: skip
def test_the_label_that_names_most_services_is_told(
    values: dict[str, list[str]], expected: LogLabels
) -> None:
    assert log_labels(values, SERVICES) == expected


@respx.mock
async def test_loki_tells_each_label_with_its_values() -> None:
    base = "http://loki:3100/loki/api/v1"
    respx.get(f"{base}/labels").mock(Response(200, json={"data": ["app", "level"]}))
    respx.get(f"{base}/label/app/values").mock(Response(200, json={"data": ["cart"]}))
    respx.get(f"{base}/label/level/values").mock(Response(200, json={"data": ["info"]}))
    store = Loki(LokiConfig(url="http://loki:3100"))
    try:
        told = await store.label_values(Window.ending(FakeClock().now(), timedelta(hours=1)))
    finally:
        await store.close()
    assert told == {"app": ("cart",), "level": ("info",)}
