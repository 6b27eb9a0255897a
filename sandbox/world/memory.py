"""What was computed once: arrays by key, the longest unused forgotten first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

from sandbox.world.noise import Floats

_OWN_BYTES = 64 * 1024**2
_SHARED_BYTES = 128 * 1024**2


class Memory:
    """Arrays that nobody may change, up to `limit_bytes` of them."""

    def __init__(self, limit_bytes: int = _OWN_BYTES) -> None:
        """Begin empty."""
        self._limit_bytes = limit_bytes
        self._held: OrderedDict[Hashable, Floats] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def find(self, key: Hashable) -> Floats | None:
        """Return what is kept under `key`."""
        with self._lock:
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def keep(self, key: Hashable, values: Floats) -> Floats:
        """Keep an array, from now on read-only, and return it."""
        values.flags.writeable = False
        with self._lock:
            before = self._held.pop(key, None)
            self._bytes += values.nbytes - (0 if before is None else before.nbytes)
            self._held[key] = values
            while self._bytes > self._limit_bytes and len(self._held) > 1:
                _, forgotten = self._held.popitem(last=False)
                self._bytes -= forgotten.nbytes
        return values

    def recall(self, key: Hashable, compute: Callable[[], Floats]) -> Floats:
        """Return what is kept, computing it at first."""
        found = self.find(key)
        return self.keep(key, compute()) if found is None else found


# A world without a story is the same in every process and for every server of this process.
HEALTHY = Memory(_SHARED_BYTES)
