"""The answers of the Prometheus client library, read with an end: so many bytes, so many seconds.

The library reads a body whole, however long it is and however slowly it comes, in a thread that
nobody can stop.
"""

from __future__ import annotations

import time
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, ReadTimeout
from urllib3.exceptions import HTTPError

PIECE = 64 * 1024  # bytes


class BoundedAdapter(HTTPAdapter):
    """Sends as its base class does, and reads the answer up to its limits."""

    def __init__(self, most_bytes: int, seconds: float, **more: Any) -> None:
        """`seconds` are those of a whole answer."""
        self._most, self._seconds = most_bytes, seconds
        super().__init__(**more)

    def send(self, request: PreparedRequest, *args: Any, **named: Any) -> Response:
        """Return an answer whose body is here. Raises RequestException."""
        request.headers["Accept-Encoding"] = "identity"
        until = time.monotonic() + self._seconds
        response = super().send(request, *args, **{**named, "stream": True})
        try:
            response._content = self._body(response, until)  # noqa: SLF001 - as `stream=False` does
            response._content_consumed = True  # noqa: SLF001
        finally:
            response.close()
        return response

    def _body(self, response: Response, until: float) -> bytes:
        packed = response.headers.get("Content-Encoding", "identity")
        if packed.strip().lower() not in {"", "identity"}:
            raise ContentDecodingError(f"the answer is packed as {packed!r}, which nobody asked")
        parts: list[bytes] = []
        size = 0
        try:
            while part := response.raw.read1(PIECE, decode_content=False):
                size += len(part)
                if size > self._most:
                    raise ContentDecodingError(f"the answer is larger than {self._most:,} bytes")
                if time.monotonic() > until:
                    raise ReadTimeout(f"no whole answer within {self._seconds:g} s")
                parts.append(part)
        except (HTTPError, OSError) as error:
            if isinstance(error, ContentDecodingError | ReadTimeout):
                raise
            raise ChunkedEncodingError(f"the answer broke off: {error}") from error
        return b"".join(parts)
