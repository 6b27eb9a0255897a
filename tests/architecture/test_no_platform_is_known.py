"""Nothing outside `sandbox/` and the profiles knows a platform: no service, metric or business.

The words are taken from the worlds that the sandbox simulates and the profiles that describe them:
a third world is a file, and its words are searched for as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.architecture.source import ROOT

SEARCHED = ("bot", "tools", "prompts", "playbooks", "knowledge", "foundation", "config")
TEXTS = {".py", ".md", ".yaml", ".yml", ".txt", ".html", ".css", ".js"}
ORDINARY = {  # what worlds call things by and everybody else too
    # programs of which every platform has one, known by their own names
    "postgres", "redis", "kafka", "rabbitmq", "ingress-nginx", "gateway",
    # what every container has
    "cpu_usage", "memory_usage", "pod_restarts",
    # words of our own trade: rooms, tools, kinds of text, directions of a list
    "api", "risk", "search", "data", "catalog", "infrastructure", "notifications", "order",
    "orders", "matching", "edge", "http", "database", "messaging", "platform", "吞吐",
}  # fmt: skip
MEANT = {  # (file, word): where the word is not the platform's
    ("bot/domain/secrets/issued_secrets.py", "wallet"),  # a kind of private key, as its users say
    ("bot/domain/secrets/issued_secrets.py", "shop"),  # tokens that Shopify issues
}
TRADE = {"trading", "wallet", "wallets", "orderbook", "checkout"}


def _tree(path: Path) -> dict[str, object]:
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    return tree if isinstance(tree, dict) else {}


@cache
def words_of_platforms() -> frozenset[str]:
    """Return the names of every world's and profile's services, namespaces, metrics, categories."""
    found: set[str] = set(TRADE)
    for path in (ROOT / "sandbox" / "worlds").glob("*.yaml"):
        world = _tree(path)
        for key in ("services", "namespaces"):
            found |= set(world[key])  # type: ignore[call-overload]
    for profile in (ROOT / "config" / "profiles").iterdir():
        for category, metrics in _tree(profile / "metrics.yaml").items():
            found |= {category, *metrics}  # type: ignore[misc]
        found |= _tree(profile / "services.yaml").keys()
        if (profile / "words.yaml").is_file():
            found |= _tree(profile / "words.yaml").keys()
    return frozenset(found) - ORDINARY


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """Return every text outside of the sandbox and the profiles, by its path."""
    files = (p for folder in SEARCHED for p in sorted((ROOT / folder).rglob("*")))
    names = {p.relative_to(ROOT).as_posix(): p for p in files if p.suffix in TEXTS}
    kept = {name: p for name, p in names.items() if not name.startswith("config/profiles/")}
    return tuple((name, p.read_text(encoding="utf-8")) for name, p in kept.items())


@cache
def spelled(word: str) -> tuple[tuple[str, ...], re.Pattern[str]]:
    """Return the ways to write a word, and a pattern of it alone.

    `order-api` is `order_api` too; `cart` is in no `cartesian`, `a_b` in no `x_a_b_y`.
    """
    ways = tuple({word.lower().replace("-", each) for each in "-_ "})
    if not word.isascii():  # Chinese has no blanks between words
        return ways, re.compile(re.escape(word))
    beside = "A-Za-z0-9_" if "_" in word else "A-Za-z0-9"
    any_way = "|".join(map(re.escape, ways))
    return ways, re.compile(rf"(?<![{beside}-])(?:{any_way})(?![{beside}])", re.IGNORECASE)


def known(text: str, path: str = "") -> Iterator[str]:
    """Yield `path:line: word` for each word of a platform in a text."""
    lowered = text.lower()
    for word in sorted(words_of_platforms()):
        ways, alone = spelled(word)
        if not any(way in lowered for way in ways):  # the usual case, and a fast one
            continue
        for match in alone.finditer(text):
            if (path, match.group().lower()) not in MEANT:
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match.group()}"


def test_no_word_of_a_platform_stands_outside_the_sandbox_and_the_profiles() -> None:
    wrong = [hit for path, text in texts() for hit in known(text, path)]
    assert wrong == []


@pytest.mark.parametrize(
    "line",
    [
        "if service == 'order-api':",
        "order_latency_p99 > 0.5",
        "namespaces: [kube-system, wallet, funds]",
        "of a crypto trading platform",
        "checkout is slow",
        "钱包",
    ],
)
def test_a_word_of_a_platform_would_be_seen(line: str) -> None:
    assert list(known(line))


def test_the_worlds_are_searched_for_and_words_that_are_ordinary_are_in_use() -> None:
    words = words_of_platforms()
    assert {"order-api", "wallet-service", "margin_utilization", "storefront"} <= words
    assert len(texts()) > 300
