"""An answer's body, unpacked a piece at a time: a bomb is seen before it is held.

    received ──one coding, or none──> pieces of at most PIECE bytes ──> counted by who reads

Two hundred kilobytes of gzip are 200 MB of zeros; packed twice they are 500 bytes. httpx unpacks
whatever arrives at once, before anybody can count, so that here what arrives is unpacked by us.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx

PIECE = 64 * 1024  # bytes
WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's window for each known coding


async def unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield a streamed answer's body. Raises DecodingError for a coding that we do not unpack."""
    if response.is_stream_consumed:  # it came by no connection, and is here whole
        yield response.content
        return
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        async for part in response.aiter_raw():
            yield part
        return
    if coding not in WINDOWS:
        raise httpx.DecodingError(f"the answer is packed as {coding!r}", request=response.request)
    unpack = zlib.decompressobj(WINDOWS[coding])
    try:
        async for part in response.aiter_raw():
            rest = part
            while rest:
                piece = unpack.decompress(rest, PIECE)
                rest = unpack.unconsumed_tail
                if piece:
                    yield piece
        if piece := unpack.flush():
            yield piece
    except zlib.error as error:
        raise httpx.DecodingError(f"not {coding}: {error}", request=response.request) from error
