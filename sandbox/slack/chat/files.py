"""Uploads in Slack's three steps, and the files that came of them.

getUploadURLExternal ──> POST bytes ──> completeUploadExternal ──time──> usable ──> shared

As in Slack a completed file is looked through for a while: it has no media type yet, no message can
show it, and the channels it was meant for have not seen it.
"""

import asyncio
import mimetypes
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from urllib.parse import quote

from sandbox.slack.chat.people import BOT_USER_ID
from sandbox.slack.chat.shelf import Shelf
from sandbox.slack.chat.wire import Json, Refusal, mint

MOST_BYTES = 1_000_000_000  # Slack's limit
FILE_SECONDS = 2.0  # until a file was looked through; Slack does not say how long that takes


@dataclass(frozen=True)
class File:
    """One uploaded (or announced) file.

    Attributes:
        state: `announced` → `received` (bytes are here) → `complete`.
        usable_at: time of the loop from which messages may show it, once complete.
        shares: channel id -> ts of the messages that brought it there.
    """

    id: str
    name: str
    title: str
    size_bytes: int
    alt_text: str = ""
    created: int = 0
    state: str = "announced"
    usable_at: float = 0.0
    shares: dict[str, list[str]] = field(default_factory=dict)

    @property
    def mimetype(self) -> str:
        """The media type its name suggests."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"

    @property
    def usable(self) -> bool:
        """Whether it was looked through."""
        return self.state == "complete" and self.usable_at <= _time()

    def wire(self, base_url: str) -> Json:
        """The file as Slack shows it; what looking through tells is empty until then."""
        url = f"{base_url}/files/{self.id}/{quote(self.name)}"
        kind = (self.name.rpartition(".")[2].lower() or "binary") if self.usable else ""
        is_image = self.usable and self.mimetype.startswith("image/")
        ims = [channel for channel in self.shares if channel.startswith("D")]
        channels = [channel for channel in self.shares if channel not in ims]
        public = {channel: [{"ts": ts} for ts in self.shares[channel]] for channel in channels}
        private = {channel: [{"ts": ts} for ts in self.shares[channel]] for channel in ims}
        shown: Json = {
            "id": self.id, "name": self.name, "title": self.title, "size": self.size_bytes,
            "mimetype": self.mimetype if self.usable else "",
            "filetype": kind, "pretty_type": kind.upper(),
            "media_display_type": "image" if is_image else "unknown",
            "user": BOT_USER_ID, "created": self.created, "timestamp": self.created,
            "mode": "hosted", "is_external": False, "is_public": bool(channels),
            "public_url_shared": False, "file_access": "visible", "comments_count": 0,
            "channels": channels, "groups": [], "ims": ims,
            "shares": {k: v for k, v in (("public", public), ("private", private)) if v},
            "url_private": url, "url_private_download": url, "permalink": url,
            "alt_txt": self.alt_text,
        }  # fmt: skip
        if is_image:
            shown |= {"thumb_360": url, "thumb_720": url}
        return shown


def _time() -> float:
    return asyncio.get_running_loop().time()


class Files:
    """All files of the workspace."""

    def __init__(self, shelf: Shelf, late_seconds: float = 0.0) -> None:
        """Read the files the shelf knows; new ones are usable `late_seconds` after completion."""
        self._shelf, self.late_seconds = shelf, late_seconds
        self._files = {key: File(**body) for key, body in shelf.all("file")}
        self._uploads: dict[str, str] = {}  # upload ticket -> file id
        self._waiting: dict[str, list[Callable[[File], None]]] = {}  # file id -> what comes then

    def announce(self, name: str, size_bytes: int, alt_text: str, created: int) -> tuple[str, File]:
        """Promise a file; returns the upload ticket and the file."""
        file = File(mint("F"), name, name, size_bytes, alt_text, created)
        ticket = mint("", 24)
        self._uploads[ticket] = file.id
        self._files[file.id] = file
        return ticket, file

    def receive(self, ticket: str, body: bytes) -> File:
        """Take the bytes of an announced file."""
        file = self._files.get(self._uploads.get(ticket, ""))
        if file is None or file.state == "complete":
            raise Refusal("invalid_upload_url")
        if len(body) != file.size_bytes:
            raise Refusal("length_mismatch", f"expected {file.size_bytes} bytes, got {len(body)}")
        self._shelf.put_bytes(file.id, body)
        received = replace(file, state="received")
        self._files[file.id] = received
        return received

    def complete(self, file_id: str, title: str | None) -> File:
        """Finish an upload; messages may show the file when it was looked through."""
        file = self._files.get(file_id)
        if file is None:
            raise Refusal("file_not_found")
        if file.state == "announced":
            raise Refusal("file_not_found", f"no bytes were uploaded for {file_id!r}")
        late = replace(
            file,
            state="complete",
            title=title or file.name,
            usable_at=_time() + self.late_seconds,
        )
        self._files[file_id] = late
        self._keep(late)
        return late

    def when_usable(self, file_id: str, deed: Callable[[File], None]) -> None:
        """Do something with a file once it was looked through; at once if it was."""
        file = self._files[file_id]
        if file.usable:
            deed(file)
            return
        self._waiting.setdefault(file_id, []).append(deed)
        wait = file.usable_at - _time()
        asyncio.get_running_loop().call_later(wait, self._looked_through, file_id)

    def shared(self, file_id: str, channel_id: str, ts: str) -> File:
        """Note that a message brought a file into a channel."""
        file = self._files[file_id]
        stamps = [*file.shares.get(channel_id, []), ts]
        after = replace(file, shares={**file.shares, channel_id: stamps})
        self._files[file_id] = after
        self._keep(after)
        return after

    def find_image(self, id_or_url: str) -> File | None:
        """A usable image by id or URL, as `slack_file` may name it."""
        parts = id_or_url.split("/files/")
        file_id = parts[1].split("/")[0] if len(parts) > 1 else id_or_url
        file = self._files.get(file_id)
        is_image = file and file.usable and file.mimetype.startswith("image/")
        return file if is_image else None

    def info(self, file_id: str) -> File:
        """A completed file, usable or not."""
        file = self._files.get(file_id)
        if file is None or file.state != "complete":
            raise Refusal("file_not_found")
        return file

    def look_through(self) -> None:
        """Finish looking through every file now."""
        for key, file in self._files.items():
            self._files[key] = replace(file, usable_at=0.0)
        for key in list(self._waiting):
            self._looked_through(key)

    def read(self, file_id: str) -> tuple[File, bytes] | None:
        """A file and its bytes."""
        file = self._files.get(file_id)
        body = self._shelf.get_bytes(file_id)
        return (file, body) if file and body is not None else None

    def _looked_through(self, file_id: str) -> None:
        self._files[file_id] = replace(self._files[file_id], usable_at=0.0)
        for deed in self._waiting.pop(file_id, ()):
            deed(self._files[file_id])

    def _keep(self, file: File) -> None:
        self._shelf.put("file", file.id, asdict(replace(file, usable_at=0.0)))
