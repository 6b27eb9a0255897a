"""Joining names: whom does a host, a label, an address in a line mean?

    "orders-db.prod.svc:5432" ──> orders-db        DNS: the first label
    "orders-7f9c8-x2x4z"      ──> orders           prefix at a `-`, the longest that is known
    "ord"                     ──> nobody           no guess

Two candidates of equal length are a gap, not a guess.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping

from tools.analysis.facts import FactSubject, Gap

Known = Mapping[str, FactSubject]  # lower-case name or alias -> who


def join(name: str, known: Known) -> FactSubject | Gap | None:
    """Return whom a name means; a Gap when it may be two, None when nobody is known by it."""
    text = name.strip().lower().rstrip(".")
    host = text.partition(":")[0] if text.count(":") == 1 else text
    if not host:
        return None
    first = host if is_address(host) else host.partition(".")[0]
    for each in (host, first):
        if each in known:
            return known[each]
    begun = {key: who for key, who in known.items() if first.startswith(f"{key}-")}
    if not begun:
        return None
    longest = max(map(len, begun))
    found = sorted({who for key, who in begun.items() if len(key) == longest})
    if len(found) == 1:
        return found[0]
    told = " or ".join(str(each) for each in found)
    return Gap("names", name, f"{name} may be {told}", "whom its lines blame")


def external(host: str) -> FactSubject:
    """Return the subject of a host that nobody here is."""
    return FactSubject("external", host.strip().lower().rstrip("."))


def is_address(host: str) -> bool:
    """Say whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
