"""Five small systems that log in five ways, with the event of each line known.

Each has a header of its own shape and events whose parameters are numbers, names, hosts, paths,
amounts with units, or lists: what makes grouping hard in recorded logs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 9, 21, tzinfo=UTC)
_FIELD = re.compile(r"{(\w+)}")
_NAMES = (
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory",
)  # fmt: skip
_HOSTS = ("db.internal.example", "cache.internal.example", "queue.internal.example")
_FOLDERS = ("data", "backup", "log", "spool", "tmp")


def _list_of_names(chance: random.Random) -> str:
    return "[" + ", ".join(chance.sample(_NAMES, chance.randint(1, 5))) + "]"


FIELDS: dict[str, Callable[[random.Random], str]] = {
    "n": lambda chance: str(chance.randint(1, 99_999)),
    "ms": lambda chance: f"{chance.randint(1, 9_999)}ms",
    "size": lambda chance: f"{chance.uniform(1, 900):.1f} {chance.choice(('KB', 'MB', 'GB'))}",
    "ip": lambda chance: f"10.{chance.randint(0, 9)}.{chance.randint(0, 255)}.7",
    "hex": lambda chance: f"{chance.getrandbits(64):016x}",
    "name": lambda chance: chance.choice(_NAMES),
    "host": lambda chance: f"{chance.choice(_HOSTS)}:{chance.randint(1024, 9999)}",
    "path": lambda chance: f"/srv/{chance.choice(_FOLDERS)}/{chance.choice(_NAMES)}.db",
    "flag": lambda chance: chance.choice(("true", "false")),
    "list": _list_of_names,
}

# header (strftime, then fields), sources, events
SYSTEMS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "gateway": (
        "%Y-%m-%d %H:%M:%S,%f INFO [worker {n}] {source}: ",
        ("web.Router", "web.Session", "web.Limiter"),
        (
            "Routed request {hex} to {host} in {ms}",
            "Session of {name} opened from {ip}",
            "Session of {name} closed from {ip}",
            "Limit reached for {name}, {n} requests rejected",
            "Reloaded routes, strict={flag}",
        ),
    ),
    "mailer": (
        "%b %d %H:%M:%S mailhost {source}[{n}]: ",
        ("smtpd", "queue"),
        (
            "connection from {host} accepted",
            "message {hex} queued for {name} size {size}",
            "message {hex} delivered to {name} after {ms}",
            "delivery refused by {host}: mailbox full",
            "spool file {path} removed",
        ),
    ),
    "storage": (
        "%d/%m/%y %H:%M:%S WARN {source}: ",
        ("store.Volume", "store.Compactor", "store.Replica"),
        (
            "Compacted {n} segments of {path}, freed {size}",
            "Replica {host} lags by {n} records",
            "Volume {path} is {n} % full",
            "Checksum mismatch in block {hex} of {path}",
            "Replicas now {list} after election",
        ),
    ),
    "scheduler": (
        "%Y%m%d-%H:%M:%S|{source}|{n}|",
        ("Planner", "Runner"),
        (
            "job {n} started by {name}",
            "job {n} finished with status {n} in {ms}",
            "next run of job {n} in {n} {n} {n} {n} seconds",
            "lease held by {host} renewed, forced={flag}",
            "nothing to do",
        ),
    ),
    "billing": (
        "[%a %b %d %H:%M:%S %Y] [error] ",
        ("",),
        (
            "invoice {n} of customer {name} rejected: amount {n}",
            "card of customer {name} expired",
            "retrying charge {hex} for customer {name}, attempt {n} of {n}",
            "ledger {path} locked by process {n}",
            "exchange rates older than {ms}",
        ),
    ),
}


def generate(name: str, count: int, chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Return message, raw line and event for each of `count` lines."""
    header, sources, events = SYSTEMS[name]
    at = BEGIN
    for _ in range(count):
        at += timedelta(seconds=chance.expovariate(1))
        number = min(int(chance.expovariate(0.7)), len(events) - 1)
        message = _fill(events[number], chance)
        source = sources[number % len(sources)]
        front = _fill(at.strftime(header).replace("{source}", source), chance)
        yield message, front + message, f"E{number}"


def _fill(text: str, chance: random.Random) -> str:
    return _FIELD.sub(lambda match: FIELDS[match[1]](chance), text)
