"""What is scraped, read from the series `up`, in the shape of /api/v1/targets."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.prometheus.samples import NAME, Series, is_stale

RECENT_MS = 60_000  # a target without a sample for so long is gone
_SCRAPE_SECONDS = 0.004  # how long every scrape of this world takes
Json = dict[str, Any]


def active(series: Sequence[Series]) -> list[Json]:
    """Return a target per live series of `up`, by job and instance."""
    found = [_target(one) for one in series if one.times.size and not is_stale(one.values)[-1]]
    return sorted(found, key=lambda target: (target["scrapePool"], target["scrapeUrl"]))


def _target(series: Series) -> Json:
    labels = {name: value for name, value in series.labels if name != NAME}
    job, instance = labels.get("job", ""), labels.get("instance", "")
    url = f"http://{instance}/metrics"
    is_up = bool(series.values[-1] == 1)
    scraped = datetime.fromtimestamp(int(series.times[-1]) / 1000, UTC)
    return {
        "discoveredLabels": {
            "__address__": instance,
            "__metrics_path__": "/metrics",
            "__scheme__": "http",
            "__scrape_interval__": "15s",
            "__scrape_timeout__": "10s",
            "job": job,
        },
        "labels": labels,
        "scrapePool": job,
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": "" if is_up else "connection refused",
        "lastScrape": scraped.isoformat().replace("+00:00", "Z"),
        "lastScrapeDuration": _SCRAPE_SECONDS,
        "health": "up" if is_up else "down",
        "scrapeInterval": "15s",
        "scrapeTimeout": "10s",
    }
