"""A TCP wire that a test can cut after a request went through, before its answer comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 65_536


@dataclass
class Wire:
    """Forwards bytes; while `cut` names a method, such a request is delivered, not answered."""

    url: str
    cut: str = ""  # "PATCH": the next such request loses its answer
    requests: list[str] = field(default_factory=list)  # request lines that went through

    @classmethod
    @asynccontextmanager
    async def to(cls, url: str) -> AsyncIterator[Wire]:
        """Listen on a free port and forward to `url`."""
        target = urlsplit(url)
        wire = cls("")
        open_streams: set[asyncio.StreamWriter] = set()

        async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind, onward = await asyncio.open_connection(target.hostname, target.port)
            open_streams.update((writer, onward))
            lost = asyncio.Event()
            there = asyncio.create_task(wire._deliver(reader, onward, lost))
            try:
                while data := await behind.read(CHUNK):
                    if lost.is_set():  # the server has answered: the effect is there, the word lost
                        break
                    writer.write(data)
                    await writer.drain()
            except ConnectionError:
                pass
            finally:
                there.cancel()
                for each in (writer, onward):
                    each.close()
                    open_streams.discard(each)

        server = await asyncio.start_server(joined, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()[:2]
        wire.url = f"http://{host}:{port}"
        try:
            yield wire
        finally:
            server.close()
            for each in list(open_streams):
                each.close()
            await server.wait_closed()

    async def _deliver(
        self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(CHUNK):
            line = data.split(b"\r\n", 1)[0].decode("latin-1")
            if line.endswith("HTTP/1.1"):
                method = line.partition(" ")[0]
                self.requests.append(line.removesuffix(" HTTP/1.1"))
                if method == self.cut:
                    self.cut = ""
                    lost.set()
            onward.write(data)
            await onward.drain()
