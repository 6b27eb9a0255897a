"""What a token costs, in USD micro-units (1 = a millionth of a dollar).

List prices per million tokens by model family; cached input costs a tenth and writing the cache
a quarter more than fresh input (Anthropic's price list). A model id we do not know is booked at
the dearest family, so a budget is never overrun by a new name.
"""

from __future__ import annotations

_PER_MILLION_USD: dict[str, tuple[float, float]] = {  # family: (input, output)
    "haiku": (1.0, 5.0),
    "sonnet": (3.0, 15.0),
    "fable": (3.0, 15.0),
    "opus": (5.0, 25.0),
    "mythos": (15.0, 75.0),
}
_CACHED_READ = 0.1
_CACHE_WRITE = 1.25


def usd_micros(model: str, *, fresh: int, written: int, cached: int, output: int) -> int:
    """Return the price of one turn; the four counts are tokens."""
    dearest = max(_PER_MILLION_USD.values())
    prices = next((p for family, p in _PER_MILLION_USD.items() if family in model), dearest)
    into, out = prices  # USD per million tokens = micro-USD per token
    return round(into * (fresh + _CACHED_READ * cached + _CACHE_WRITE * written) + out * output)
