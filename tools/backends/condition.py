"""How one backend is, learned from every real call, and the circuit that spares a dead one.

    up ──2 of the last 10 failed──> degraded ──6 in a row, or 20 s without an answer──> down
    ^                                  |                                                 |
    └── 9 of the last 10 well ─────────┘          one call is let through every 5 … 60 s ┘

While it is down calls fail at once, with the reason and since when, instead of waiting for the
full timeout times the retries. The one call that is let through finds out that it is well again.
A refused or denied question is an answer: the backend is there (a denied one counts as degraded).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from foundation.retries import RetryPolicy
from tools.errors import BackendDeniedError, BackendUnavailableError, OutcomeUnknownError, ToolError
from tools.ports import Health

REMEMBERED = 10  # calls that say whether it is degraded
DEGRADED_FROM = 2  # failures of those
TRIP_AFTER = 6  # failures in a row
TRIP_SECONDS = 20.0  # or this long without an answer
PROBE = RetryPolicy(first=timedelta(seconds=5), longest=timedelta(minutes=1))  # of a dead backend


class Condition:
    """The condition of one backend. `wall` dates it; without a clock it has no `since`."""

    def __init__(self, backend: str, *, trips: bool = True) -> None:
        """Think well of a backend until it fails; with `trips` false every call goes through."""
        self.backend, self.trips = backend, trips
        self.wall: Callable[[], datetime] | None = None
        self._recent: deque[bool] = deque(maxlen=REMEMBERED)
        self._row = 0  # failures in a row
        self._row_began = 0.0  # monotonic, of the first of them
        self._row_since: datetime | None = None
        self.why = ""
        self._retry_at: float | None = None  # monotonic; None: the circuit is closed
        self._probes = 0  # that failed since it went down
        self._probing = False
        self._word = "up"
        self.since: datetime | None = None

    @property
    def word(self) -> str:
        """Return up, degraded or down."""
        if self._retry_at is not None:
            return "down"
        failures = self._recent.count(False)
        if failures >= DEGRADED_FROM or (self._word == "degraded" and failures > 1):
            return "degraded"
        return "up"

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Let one call through and learn from it. Raises BackendUnavailableError while down."""
        began = monotonic()
        probe = self._admit(began)
        try:
            yield
        except BackendDeniedError as error:
            self._answered(well=False, why=str(error))
            raise
        except (BackendUnavailableError, OutcomeUnknownError) as error:
            self.failed(str(error), began, probe=probe)
            raise
        except ToolError:
            self._answered(well=True)
            raise
        except Exception as error:
            self.failed(str(error), began, probe=probe)
            raise
        else:
            self._answered(well=True)
        finally:
            if probe:
                self._probing = False

    def failed(self, why: str, began: float | None = None, *, probe: bool = False) -> None:
        """Note a call without an answer; `began` is when it was sent (monotonic)."""
        now = monotonic()
        if self._row == 0:
            self._row_began = now if began is None else began
            self._row_since = self.wall() if self.wall else None
        self._row += 1
        self.why = why
        self._recent.append(False)
        lasted = now - self._row_began
        if probe:
            self._probes += 1
            self._retry_at = now + self._pause()
        elif self._retry_at is None and (self._row >= TRIP_AFTER or lasted >= TRIP_SECONDS):
            self._retry_at = now + self._pause()
        self._note()

    def health(self, name: str, *, up: bool, detail: str) -> Health:
        """Return what is known, `up` being how the call just made went."""
        since = self.since if up or self.word == "down" else self._row_since
        degraded = up and self.word != "up"
        if degraded and self.why:
            detail = f"{detail}; {self._recent.count(False)} of the last calls failed: {self.why}"
        return Health(name, up=up, detail=detail, since=since, degraded=degraded)

    def _admit(self, now: float) -> bool:
        """Return whether the call is the one that finds out; raise when it has to wait."""
        if self._retry_at is None or not self.trips:
            return False
        if self._probing or now < self._retry_at:
            since = f" since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
            raise BackendUnavailableError(
                self.backend,
                f"down{since} ({self.why}); it is asked again in "
                f"{max(1, round(self._retry_at - now))} s and recovers by itself",
            )
        self._probing = True
        return True

    def _answered(self, *, well: bool, why: str = "") -> None:
        self._row, self._retry_at, self._probes = 0, None, 0
        self.why = why or self.why
        if well and self._word == "down":
            self._recent.clear()
        self._recent.append(well)
        self._note()

    def _pause(self) -> float:
        """Return the seconds until one call is let through again."""
        return PROBE.wait_after(1 + self._probes).total_seconds()

    def _note(self) -> None:
        """Date a change of the word."""
        if self.word != self._word:
            began = self._row_since if self.word == "down" else None
            self.since = began or (self.wall() if self.wall else None)
            self._word = self.word
