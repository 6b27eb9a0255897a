"""The raw series of the platform, as its exporters would show them.

A *family* is one metric name; its *rows* are the series, each with labels, a lifetime and a
function of time. Nothing is computed before a row is asked for.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from sandbox.prometheus.samples import NAME, Labels, labels_of
from sandbox.world.noise import Floats
from sandbox.world.signals import PROFILES, Signals, shares_below
from sandbox.world.topology import BY_NAME, SERVICES

ORDER_BOUNDS = (
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0,
    1.5, 2.0, 3.0, 5.0, 10.0,
)  # fmt: skip
FAST_BOUNDS = (
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05, 0.1,
    0.25,
)  # fmt: skip
WEB_BOUNDS = (
    0.0025, 0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.125, 0.15, 0.2, 0.25,
    0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
WEB_SERVICES = tuple(s.name for s in SERVICES if s.kind == "Deployment")
_STATUS = (("200", 0.985), ("400", 0.011), ("429", 0.004))  # shares of what does not fail
_FAILED = (("500", 0.55), ("503", 0.25), ("504", 0.20))
_METHODS = (("GET", 0.62), ("POST", 0.38))


@dataclass(frozen=True, eq=False)
class Row:
    """One series."""

    labels: Labels
    values: Callable[[Floats], Floats]  # on grid times, seconds
    begins: float = -math.inf
    ends: float = math.inf


@dataclass(frozen=True, eq=False)
class Family:
    """One metric name."""

    name: str
    kind: str  # counter | gauge | histogram
    help: str
    rows: Callable[[Signals], Iterator[Row]]


def row(name: str, values: Callable[[Floats], Floats], **labels: str) -> Row:
    """Return a series that lives for ever."""
    return Row(labels_of([(NAME, name), *labels.items()]), values)


def place(service: str) -> dict[str, str]:
    """Return the labels every application series carries."""
    return {"service": service, "namespace": BY_NAME[service].namespace, "job": service}


def _counter(name: str, signals: Signals, rate: Callable[[Floats], Floats], **labels: str) -> Row:
    key = (name, *sorted(labels.items()))

    def values(times: Floats) -> Floats:
        return _whole(signals.cumulative(key, lambda at: rate(at)[None, :], times)[0])

    return row(name, values, **labels)


def _histogram(
    base: str, services: tuple[str, ...], bounds: tuple[float, ...], text: str
) -> list[Family]:
    """Return the three families of a histogram, all cut from the same running sums."""
    edges = np.array(bounds)

    def sums(signals: Signals, service: str, times: Floats) -> Floats:
        def rates(at: Floats) -> Floats:
            load, median = signals.load(service, at), signals.latency(service, at)
            shape = PROFILES[service].shape
            below = shares_below(edges, median, shape) * load
            mean = median * (math.pi / shape) / math.sin(math.pi / shape)
            return np.vstack([below, load[None, :], (load * mean)[None, :]])

        return signals.cumulative((base, service), rates, times)

    def counted(signals: Signals, service: str, index: int, times: Floats) -> Floats:
        return _whole(sums(signals, service, times)[index])

    def added(signals: Signals, service: str, times: Floats) -> Floats:
        total: Floats = sums(signals, service, times)[-1]
        return total

    def buckets(signals: Signals) -> Iterator[Row]:
        for service in services:
            for index, bound in enumerate([*bounds, math.inf]):
                le = "+Inf" if math.isinf(bound) else f"{bound:g}"
                yield row(
                    f"{base}_bucket",
                    partial(counted, signals, service, index),
                    le=le,
                    **place(service),
                )

    def counts(signals: Signals) -> Iterator[Row]:
        for service in services:
            values = partial(counted, signals, service, len(bounds))
            yield row(f"{base}_count", values, **place(service))

    def totals(signals: Signals) -> Iterator[Row]:
        for service in services:
            yield row(f"{base}_sum", partial(added, signals, service), **place(service))

    return [
        Family(f"{base}_bucket", "histogram", text, buckets),
        Family(f"{base}_count", "histogram", text, counts),
        Family(f"{base}_sum", "histogram", text, totals),
    ]


def _whole(values: Floats) -> Floats:
    whole: Floats = np.floor(values)
    return whole


def _outcome(signals: Signals, service: str, outcome: int, share: float, times: Floats) -> Floats:
    """Return a share of the requests served well (outcome 0) or failed (1) so far."""
    return _whole(share * signals.served(service, times)[outcome])


def _http_requests(signals: Signals) -> Iterator[Row]:
    for service in WEB_SERVICES:
        for method, part in _METHODS:
            for outcome, statuses in enumerate((_STATUS, _FAILED)):
                for status, share in statuses:
                    yield row(
                        "http_requests_total",
                        partial(_outcome, signals, service, outcome, part * share),
                        status=status,
                        method=method,
                        **place(service),
                    )


def _orders(signals: Signals) -> Iterator[Row]:
    outcomes = (
        ("accepted", 0, 0.39),
        ("filled", 0, 0.598),
        ("rejected", 0, 0.012),
        ("failed", 1, 1.0),
    )
    for status, outcome, share in outcomes:
        yield row(
            "trading_orders_total",
            partial(_outcome, signals, "order-api", outcome, share),
            status=status,
            **place("order-api"),
        )


def _orderbook(signals: Signals) -> Iterator[Row]:
    for symbol, size in (("BTC-USDT", 5200.0), ("ETH-USDT", 4100.0), ("SOL-USDT", 2300.0)):
        for side in ("bid", "ask"):

            def values(at: Floats, s: str = f"depth/{symbol}/{side}", n: float = size) -> Floats:
                factor = signals.gauge("matching-engine", s, at, 0.035, 0.02, "queue")
                return np.round(n * factor)

            yield row(
                "orderbook_depth", values, symbol=symbol, side=side, **place("matching-engine")
            )


def _margin(signals: Signals) -> Iterator[Row]:
    def values(at: Floats) -> Floats:
        from_load = 0.5 + 0.06 * (signals.relative_load("risk-engine", at) - 1.0)
        return from_load * signals.gauge("risk-engine", "margin", at, 0.03, 0.008)

    yield row("margin_utilization", values, **place("risk-engine"))


def _breaches(signals: Signals) -> Iterator[Row]:
    for limit, rate_per_second in (("position", 0.021), ("notional", 0.012), ("leverage", 0.006)):

        def rate(at: Floats, w: float = rate_per_second, n: str = limit) -> Floats:
            return w * signals.gauge("risk-engine", f"breaches/{n}", at, 0.12, 0.2, "breaches")

        yield _counter(
            "risk_limit_breaches_total", signals, rate, limit=limit, **place("risk-engine")
        )


def _pending(signals: Signals) -> Iterator[Row]:
    def values(at: Floats) -> Floats:
        busy = signals.relative_load("wallet-service", at)
        return np.round(
            42.0 * busy * signals.gauge("wallet-service", "pending", at, 0.07, 0.06, "queue")
        )

    yield row("wallet_pending_transactions", values, **place("wallet-service"))


def _edges(*, failed: bool) -> Callable[[Signals], Iterator[Row]]:
    name = f"traces_service_graph_request_{'failed_' if failed else ''}total"

    def rows(signals: Signals) -> Iterator[Row]:
        for server in SERVICES:
            clients = [service.name for service in SERVICES if server.name in service.dependencies]
            for client in clients:

                def values(at: Floats, s: str = server.name, w: float = 1 / len(clients)) -> Floats:
                    served, lost = signals.served(s, at)
                    return _whole(w * (lost if failed else served + lost))

                yield row(name, values, client=client, server=server.name)

    return rows


def _mesh(signals: Signals) -> Iterator[Row]:
    """Yield what the sidecar of the called Deployment counts; stateful services have none."""
    for server in (service for service in SERVICES if service.name in WEB_SERVICES):
        clients = [service for service in SERVICES if server.name in service.dependencies]
        for client in clients:
            for outcome, code in enumerate(("200", "503")):

                def values(
                    at: Floats, s: str = server.name, o: int = outcome, w: float = 1 / len(clients)
                ) -> Floats:
                    return _whole(w * signals.served(s, at)[o])

                yield row(
                    "istio_requests_total",
                    values,
                    reporter="destination",
                    source_workload=client.workload,
                    source_canonical_service=client.name,
                    source_workload_namespace=client.namespace,
                    destination_workload=server.workload,
                    destination_canonical_service=server.name,
                    destination_workload_namespace=server.namespace,
                    response_code=code,
                )


APPLICATION: list[Family] = [
    *_histogram(
        "trading_order_latency_seconds",
        ("order-api",),
        ORDER_BOUNDS,
        "Time from receiving an order to its acknowledgement.",
    ),
    *_histogram(
        "matching_latency_seconds",
        ("matching-engine",),
        FAST_BOUNDS,
        "Time the matching engine takes for one order.",
    ),
    *_histogram(
        "wallet_balance_sync_seconds",
        ("wallet-service",),
        WEB_BOUNDS,
        "Time to synchronise one wallet balance.",
    ),
    *_histogram(
        "http_request_duration_seconds",
        WEB_SERVICES,
        WEB_BOUNDS,
        "Duration of HTTP requests.",
    ),
    Family("http_requests_total", "counter", "HTTP requests served, by status.", _http_requests),
    Family("trading_orders_total", "counter", "Orders handled, by outcome.", _orders),
    Family("orderbook_depth", "gauge", "Resting orders per symbol and side.", _orderbook),
    Family("margin_utilization", "gauge", "Share of available margin in use.", _margin),
    Family("risk_limit_breaches_total", "counter", "Orders that met a risk limit.", _breaches),
    Family(
        "wallet_pending_transactions", "gauge", "Transactions waiting for confirmation.", _pending
    ),
    Family(
        "traces_service_graph_request_total",
        "counter",
        "Requests between two services.",
        _edges(failed=False),
    ),
    Family(
        "traces_service_graph_request_failed_total",
        "counter",
        "Failed requests between services.",
        _edges(failed=True),
    ),
    Family("istio_requests_total", "counter", "Requests the mesh carried.", _mesh),
]
