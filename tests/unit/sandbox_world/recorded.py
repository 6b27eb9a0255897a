"""The samples that the sandbox and a real Prometheus are both asked about.

requests_total, temperature, latency_bucket, gappy   plain: counters that restart, a random walk
jittered_total   a counter scraped unevenly, with two restarts and one lost hour
odd_values       NaN, both infinities, zeros of both signs, the largest and smallest numbers
leaving          series that go stale, one of them back again
sparse           one sample every four minutes, less often than most windows want
flat, signed     a constant and values on both sides of zero
build_info       what group_left copies labels from
strange          label values with quotes, backslashes, newlines and Chinese
broken_bucket    histograms that no client should have sent
"""

import numpy as np

from sandbox.prometheus.samples import NAME, STALE, Floats, Series, Times, labels_of

START_MS = 1_700_000_100_000 // 60_000 * 60_000
STEP_MS = 15_000
COUNT = 960  # four hours
GRID: Times = START_MS + np.arange(COUNT, dtype=np.int64) * STEP_MS


def series(name: str, times: Times, values: Floats, **labels: str) -> Series:
    """Return one named series."""
    return Series(labels_of([(NAME, name), *labels.items()]), times, values)


def recorded() -> list[Series]:
    """Return every series."""
    return [*_plain(), *_uneven(), *_values(), *_described(), *_broken_histograms()]


def _plain() -> list[Series]:
    random = np.random.default_rng(7)
    found = []
    for job in ("a", "b", "ab"):
        for code in ("200", "500"):
            steps = random.gamma(2.0, 3.0, COUNT)
            total = np.cumsum(steps)
            if code == "500":
                total[COUNT // 2 :] -= total[COUNT // 2]  # the process restarted
            found.append(series("requests_total", GRID, np.round(total, 3), job=job, code=code))
            walk = np.round(20 + np.cumsum(random.normal(0, 0.2, COUNT)), 4)
            found.append(series("temperature", GRID, walk, job=job, code=code))
        below = np.cumsum(random.poisson(5, (COUNT, 5)), axis=0)
        buckets = np.cumsum(below, axis=1).astype(float)
        for index, le in enumerate(("0.1", "0.25", "0.5", "1", "+Inf")):
            found.append(series("latency_bucket", GRID, buckets[:, index].copy(), job=job, le=le))
    kept = np.ones(COUNT, dtype=bool)
    kept[100:150] = False
    kept[300:340] = False
    gappy = series("gappy", GRID[kept], np.arange(COUNT, dtype=float)[kept], job="a")
    return [*found, gappy]


def _uneven() -> list[Series]:
    random = np.random.default_rng(11)
    found = []
    for job in ("a", "b"):
        times = GRID + random.integers(-4000, 4000, COUNT)
        total = np.cumsum(random.poisson(9, COUNT)).astype(float)
        total[350:] -= total[350]
        total[700:] -= total[700] - 2.0
        kept = np.ones(COUNT, dtype=bool)
        kept[450:690] = False
        found.append(series("jittered_total", times[kept], total[kept], job=job))
    found.append(series("sparse", GRID[::16], np.arange(60, dtype=float) ** 2, job="a"))
    gone = np.arange(COUNT, dtype=float)
    gone[400] = STALE[0]
    found.append(series("leaving", GRID[:401], gone[:401], job="a"))
    back = np.sqrt(np.arange(COUNT, dtype=float))
    back[500] = STALE[0]
    kept = np.ones(COUNT, dtype=bool)
    kept[501:560] = False
    found.append(series("leaving", GRID[kept], back[kept], job="b"))
    return found


def _values() -> list[Series]:
    random = np.random.default_rng(13)
    walk: Floats = np.cumsum(random.normal(0, 1, COUNT)).round(3)
    odd = walk.copy()
    odd[50:58] = np.nan
    odd[120] = np.inf
    odd[200:203] = -np.inf
    odd[300:420:3] = np.nan
    extreme = np.tile([0.0, -0.0, 1e300, -1e300, 5e-324, 1e21, 123456789.125, 1e-7], COUNT // 8)
    return [
        series("odd_values", GRID, odd, kind="walk"),
        series("odd_values", GRID, extreme, kind="extreme"),
        series("odd_values", GRID, np.full(COUNT, np.nan), kind="none"),
        series("flat", GRID, np.full(COUNT, 4.2), job="a"),
        series("signed", GRID, walk, job="a"),
        series("signed", GRID, -walk[::-1], job="b"),
        series("signed", GRID, np.round(walk * 10) % 7 - 3, job="ab"),
    ]


def _described() -> list[Series]:
    ones: Floats = np.ones(COUNT)
    found = [series("up", GRID, ones, job="never", instance="127.0.0.1:9", team="nobody")]
    found += [
        series("build_info", GRID, ones, job=job, version=version, team="trading")
        for job, version in (("a", "1.0"), ("b", "2.1"), ("ab", "2.1-rc"))
    ]
    texts = ('say "hi"', "C:\\logs", "two\nlines", "上海 交易", "a.b.c", "")
    found += [
        series("strange", GRID, np.full(COUNT, float(place)), text=text, place=str(place))
        for place, text in enumerate(texts)
    ]
    return found


def _broken_histograms() -> list[Series]:
    rising = np.arange(COUNT, dtype=float)
    rows = {
        "only_inf": {"+Inf": rising},
        "no_inf": {"1": rising, "2": rising * 2},
        "falling": {"1": rising * 3, "2": rising * 2, "+Inf": rising * 4},
        "not_a_number": {"1": rising, "many": rising * 2, "+Inf": rising * 3},
        "negative": {"-5": rising, "-1": rising * 2, "0": rising * 3, "+Inf": rising * 4},
        "nan": {"1": rising * np.nan, "2": rising, "+Inf": rising * 2},
        "empty": {"1": rising * 0, "2": rising * 0, "+Inf": rising * 0},
        "twice": {"1": rising, "1.0": rising, "2": rising * 3, "+Inf": rising * 4},
    }
    return [
        series("broken_bucket", GRID, values, kind=kind, le=le)
        for kind, buckets in rows.items()
        for le, values in buckets.items()
    ]
