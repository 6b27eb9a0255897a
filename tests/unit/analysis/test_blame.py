"""Whom a line of a log blames: the forms of the languages and libraries that people run."""

import pytest

from tools.analysis.blame import Blame, How, blamed, count_blamed

LINES = [
    ("rpc error: dial tcp: lookup cart on 169.254.20.10:53: no such host", "cart", None, How.UNKNOWN_NAME),
    ("dial tcp 10.1.2.3:5432: connect: connection refused", "10.1.2.3", 5432, How.REFUSED),
    ("Error: connect ECONNREFUSED 10.1.2.3:6379", "10.1.2.3", 6379, How.REFUSED),
    ("getaddrinfo ENOTFOUND payments.example.com", "payments.example.com", None, How.UNKNOWN_NAME),
    ("java.net.UnknownHostException: orders-db", "orders-db", None, How.UNKNOWN_NAME),
    ("UnableToConnect on redis:6379/Interactive, Initializing", "redis", 6379, How.FAILED),
    ('could not translate host name "db-1" to address: Name or service not known', "db-1", None, How.UNKNOWN_NAME),
    ('connection to server at "db" (10.0.0.4), port 5432 failed: Connection refused', "db", 5432, How.REFUSED),
    ("HTTPConnectionPool(host='stock', port=8080): Max retries exceeded (connect timeout)", "stock", 8080, How.TIMED_OUT),
    ("failed to connect to all addresses; last error: ipv4:10.2.0.7:7000: Connection refused", "10.2.0.7", 7000, How.REFUSED),
    ('upstream: "http://10.3.0.1:8080/pay" timed out (110: Connection timed out)', "10.3.0.1", 8080, How.TIMED_OUT),
    ("dial tcp 10.1.2.3:443: connect: no route to host", "10.1.2.3", 443, How.UNREACHABLE),
    ("连接 redis-cart:6379 超时", "redis-cart", 6379, How.TIMED_OUT),
]  # fmt: skip
NOBODY = [
    "select * from public.orders failed: deadline exceeded",
    "order accepted in 12 ms by node 10.1.2.3:443",
    "connect ECONNREFUSED 127.0.0.1:5432",
    "the customer refused the parcel at 12:30",
]


@pytest.mark.parametrize(("line", "host", "port", "how"), LINES)
def test_a_failed_connection_names_its_other_end(
    line: str, host: str, port: int | None, how: How
) -> None:
    assert blamed(line) == Blame(host, port, how)


@pytest.mark.parametrize("line", NOBODY)
def test_what_is_no_failed_connection_blames_nobody(line: str) -> None:
    assert blamed(line) is None


def test_lines_are_counted_by_whom_they_blame() -> None:
    counted = count_blamed([LINES[0][0], LINES[0][0], LINES[1][0], NOBODY[0]])
    assert sum(counted.values()) == 3
    assert counted[Blame("cart", None, How.UNKNOWN_NAME)] == 2
