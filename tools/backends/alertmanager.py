"""Which alerts fire, as Alertmanager itself knows: GET /api/v2/alerts (its OpenAPI, v2).

Silenced and inhibited alerts fire as well; what is unprocessed fires, too.
"""

from __future__ import annotations

import httpx

from foundation.shortened import shortened
from tools.backends.condition import Condition
from tools.backends.transport import Connection, JsonBackend
from tools.errors import BackendError, BackendRefusedError, BackendUnavailableError
from tools.ports import Health
from tools.world import Labels, labels_of

NAME = "alertmanager"
_ALL = {"active": "true", "silenced": "true", "inhibited": "true", "unprocessed": "true"}


def _explain(response: httpx.Response, body: bytes) -> BackendError | None:
    if response.status_code == httpx.codes.BAD_REQUEST:
        return BackendRefusedError(NAME, shortened(body, 400).strip())
    return None


class Alertmanager:
    """Reads alerts; changes nothing."""

    def __init__(
        self, connection: Connection, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = JsonBackend(NAME, connection, explain=_explain, transport=transport)

    @property
    def condition(self) -> Condition:
        """How its latest calls went."""
        return self._http.condition

    async def close(self) -> None:
        await self._http.close()

    async def health(self) -> Health:
        """Say whether it is ready."""
        return await self._http.health("/-/ready")

    async def firing(self) -> list[Labels]:
        """Return the labels of every alert that fires. Raises BackendError."""
        answer = await self._http.ask("GET", "/api/v2/alerts", _ALL)
        try:
            return [labels_of(each["labels"]) for each in answer]
        except (TypeError, KeyError, AttributeError) as error:
            raise BackendUnavailableError(
                NAME, f"its list of alerts is none that we can read ({type(error).__name__})"
            ) from error
