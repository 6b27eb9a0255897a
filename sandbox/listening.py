"""What the stores of the sandbox are as servers: one address, and one thread that answers."""

from concurrent.futures import ThreadPoolExecutor

from aiohttp import web


class Listening:
    """A server whose answers take long enough to be computed beside the event loop."""

    def __init__(self, name: str) -> None:
        """Name the thread; nothing listens yet."""
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def _listen(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.url = f"http://{host}:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._worker.shutdown(wait=False, cancel_futures=True)
