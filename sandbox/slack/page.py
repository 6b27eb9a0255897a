"""The page's doors: what it asks (`/ui/…`), what it is told (`/ui/ws`), and the chat's own pushes.

Only pages of this server may call: a foreign Origin is refused, so no other site can click Approve.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectionResetError, web

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.chat.workspace import Change, wire_reactions
from sandbox.slack.deeds import DeedError, Deeds
from sandbox.slack.parts import Parts
from sandbox.slack.webapi import WebApi

_CLOCK_SECONDS = 5.0  # how often an idle page is told the world's time
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_our_page(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse page calls that another site's script makes."""
    origin = request.headers.get("Origin")
    if request.path.startswith("/ui/") and origin and urlsplit(origin).netloc != request.host:
        return web.json_response(
            {"ok": False, "error": f"origin {origin!r} is not this page"}, status=403
        )
    return await handler(request)


@dataclass
class Page:
    """Routes of the page and what is pushed to it."""

    parts: Parts
    deeds: Deeds
    api: WebApi

    def routes(self) -> list[web.RouteDef]:
        """All `/ui/` routes."""
        posts = {
            "post": self._post, "action": self._action, "view_submit": self._view_submit,
            "view_close": self._view_close, "shortcut": self._shortcut,
            "reaction": self._reaction, "app_home": self._app_home,
            "assistant": self._assistant, "read": self._read,
            "_test/rate_limit": self._rate_limit, "_test/disconnect": self._disconnect,
            "_test/fail": self._fail,
        }  # fmt: skip
        return [
            web.get("/ui/state", self._get(self._state)),
            web.get("/ui/messages", self._get(self._messages)),
            web.get("/ui/thread", self._get(self._thread)),
            web.get("/ui/ws", self._websocket),
            web.get(r"/archives/{channel}/p{digits:\d{7,20}}", self._archived),
            *(web.post(f"/ui/{name}", self._doing(run)) for name, run in posts.items()),
        ]

    async def _archived(self, request: web.Request) -> web.StreamResponse:
        """Lead from a message's address, as Slack makes them, to where the page shows it."""
        channel, digits = request.match_info["channel"], request.match_info["digits"]
        ts = f"{digits[:-6]}.{digits[-6:]}"
        raise web.HTTPFound(f"/#{channel}/{ts}")

    # ------------------------------------------------------------------ pushes

    def on_change(self, change: Change) -> None:
        """Tell every page that sees the message."""
        message = change.message
        if message is None:
            self.parts.hub.stir()
            return
        chat, hub = self.parts.chat, self.parts.hub
        audience = self.parts.audience(message)
        event: Json = {"channel": change.channel}
        if change.kind == "deleted":
            event |= {"type": "message_deleted", "ts": message.ts, "thread_ts": message.thread_ts}
        elif change.kind == "reacted":
            event |= {"type": "reaction", "ts": message.ts, "reactions": wire_reactions(message)}
        else:
            kinds = {"posted": "ephemeral" if message.only_for else "message"}
            kind = kinds.get(change.kind, "message_changed")
            event |= {"type": kind, "message": chat.page_wire(message)}
        hub.push(audience, event)
        if change.kind in {"posted", "deleted"} and message.thread_ts and not message.only_for:
            parent = chat.find(change.channel, message.thread_ts)
            if parent is not None:
                changed = {"type": "message_changed", "channel": change.channel}
                hub.push(audience, changed | {"message": chat.page_wire(parent)})
        if change.kind == "posted" and not message.thread_ts and not message.only_for:
            for user_id in audience:
                count = chat.unread(user_id, change.channel)
                hub.push([user_id], {"type": "unread", "channel": change.channel, "count": count})

    def on_connected(self, connected: bool) -> None:  # noqa: FBT001 - a callback with one fact
        """Tell every page whether the bot is there."""
        self.parts.hub.push(self.parts.chat.people, {"type": "bot", "connected": connected})

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        user_id = request.query.get("user", "")
        if user_id not in self.parts.chat.people:
            raise web.HTTPNotFound(text=f"nobody here is {user_id!r}")
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        queue = self.parts.hub.open(user_id)
        queue.put_nowait(self._clock())
        writer = asyncio.get_running_loop().create_task(self._write(socket, queue))
        try:
            async for _ in socket:  # the page only listens; reading notices when it goes
                continue
        finally:
            self.parts.hub.close(user_id, queue)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        return socket

    async def _write(self, socket: web.WebSocketResponse, queue: "asyncio.Queue[Json]") -> None:
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), _CLOCK_SECONDS)
            except TimeoutError:
                event = self._clock()
            try:
                await socket.send_json(event)
            except ClientConnectionResetError:
                return

    def _clock(self) -> Json:
        speed = float(getattr(self.parts.clock, "speed", 1.0))
        return {"type": "clock", "now": self.parts.clock.now(), "speed": speed}

    # ------------------------------------------------------------------ questions

    async def _state(self, asked: Json) -> Json:
        user_id = self.parts.chat.person(asked.get("user") or people.ALICE).id
        chat, manifest = self.parts.chat, self.parts.manifest
        clock = self._clock()
        return {
            "team": {
                "id": people.TEAM_ID, "name": people.TEAM_NAME, "domain": people.TEAM_DOMAIN,
            },
            "me": user_id,
            "people": [
                {"id": p.id, "name": p.name, "real_name": p.real_name, "title": p.title,
                 "can": p.can, "avatar_color": p.color}
                for p in chat.people.values() if p.on_page
            ],
            "bot": {
                "id": people.BOT_ID, "user_id": people.BOT_USER_ID, "name": "SRE Agent",
                "connected": self.parts.socket.is_connected,
            },
            "channels": [self._channel(user_id, c) for c in chat.channels_of(user_id)],
            "commands": [vars(command) for command in manifest.commands],
            "shortcuts": [vars(shortcut) for shortcut in manifest.shortcuts],
            "views": self.parts.views.stack(user_id), "home": self.parts.views.home(user_id),
            "statuses": [
                {"channel": channel, "thread_ts": ts, "text": text}
                for (channel, ts), text in self.parts.statuses.items()
            ],
            "now": clock["now"], "speed": clock["speed"],
        }  # fmt: skip

    def _channel(self, user_id: str, channel: Channel) -> Json:
        name = "SRE Agent" if channel.is_im else channel.name
        unread = self.parts.chat.unread(user_id, channel.id)
        return {
            "id": channel.id, "name": name, "kind": channel.kind, "topic": channel.topic,
            "unread": unread,
        }  # fmt: skip

    async def _messages(self, asked: Json) -> Json:
        channel = self._seen(asked)
        chat = self.parts.chat
        shown = chat.top_level(channel.id)
        shown += chat.whispers(channel.id, asked["user"], None)
        shown.sort(key=lambda message: float(message.ts))
        if asked.get("before"):
            shown = [m for m in shown if float(m.ts) < float(asked["before"])]
        else:
            chat.mark_read(asked["user"], channel.id)
            cleared = {"type": "unread", "channel": channel.id, "count": 0}
            self.parts.hub.push([asked["user"]], cleared)
        shown = shown[-int(asked.get("limit") or 100) :]
        return {"messages": [chat.page_wire(message) for message in shown]}

    async def _thread(self, asked: Json) -> Json:
        channel = self._seen(asked)
        chat = self.parts.chat
        parent = chat.get(channel.id, asked["ts"])
        if parent.thread_ts:
            parent = chat.get(channel.id, parent.thread_ts)
        shown = chat.replies(channel.id, parent.ts)
        shown += chat.whispers(channel.id, asked["user"], parent.ts)
        shown.sort(key=lambda message: float(message.ts))
        return {"messages": [chat.page_wire(message) for message in (parent, *shown)]}

    def _seen(self, asked: Json) -> Channel:
        channel = self.parts.chat.channel(asked["channel"])
        if asked["user"] not in channel.members:
            message = f"{asked['user']!r} is not in channel {channel.id!r}"
            raise DeedError(message)
        return channel

    # ------------------------------------------------------------------ deeds

    async def _post(self, asked: Json) -> Json:
        ts = self.deeds.post(asked["user"], asked["channel"], asked["text"], asked.get("thread_ts"))
        return {"ts": ts}

    async def _action(self, asked: Json) -> Json:
        self.deeds.act(
            asked["user"],
            asked["action"],
            channel_id=asked.get("channel"),
            message_ts=asked.get("message_ts"),
            view_id=asked.get("view_id"),
            block_id=asked.get("block_id"),
            values=(asked.get("state") or {}).get("values"),
        )
        return {}

    async def _view_submit(self, asked: Json) -> Json:
        values = (asked.get("state") or {}).get("values") or {}
        return await self.deeds.submit(asked["user"], asked["view_id"], values)

    async def _view_close(self, asked: Json) -> Json:
        self.deeds.close_view(asked["user"], asked["view_id"])
        return {}

    async def _shortcut(self, asked: Json) -> Json:
        place = (asked["channel"], asked["message_ts"])
        self.deeds.shortcut(asked["user"], asked["callback_id"], *place)
        return {}

    async def _reaction(self, asked: Json) -> Json:
        add = bool(asked.get("add", True))
        self.deeds.react(asked["user"], asked["channel"], asked["ts"], asked["name"], add=add)
        return {}

    async def _app_home(self, asked: Json) -> Json:
        return {"view": self.deeds.open_home(asked["user"], asked.get("tab") or "home")}

    async def _assistant(self, asked: Json) -> Json:
        channel_id, ts = self.deeds.open_assistant(asked["user"])
        return {"channel": channel_id, "thread_ts": ts}

    async def _read(self, asked: Json) -> Json:
        self.parts.chat.mark_read(asked["user"], self._seen(asked).id)
        return {}

    async def _rate_limit(self, asked: Json) -> Json:
        limit = (int(asked.get("count", 1)), int(asked.get("retry_after", 1)))
        self.api.switches.limited[asked["method"]] = limit
        return {}

    async def _disconnect(self, _asked: Json) -> Json:
        await self.parts.socket.disconnect_all()
        return {}

    async def _fail(self, asked: Json) -> Json:
        status = int(asked["status"]) if asked.get("status") else None
        error = asked.get("error") or "internal_error"
        self.api.switches.failing[asked["method"]] = (int(asked.get("count", 1)), status, error)
        return {}

    # ------------------------------------------------------------------ doors

    def _get(self, run: Callable[[Json], Awaitable[Json]]) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            return await _answer(run, dict(request.query))

        return serve

    def _doing(self, run: Callable[[Json], Awaitable[Json]]) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            if request.content_type != "application/json":
                return _no("send application/json", 415)
            try:
                asked = json.loads(await request.text())
            except ValueError:
                return _no("the body is not JSON", 400)
            if not isinstance(asked, dict):
                return _no("the body is not a JSON object", 400)
            return await _answer(run, asked)

        return serve


async def _answer(run: Callable[[Json], Awaitable[Json]], asked: Json) -> web.StreamResponse:
    try:
        return web.json_response({"ok": True, **await run(asked)})
    except DeedError as error:
        return _no(str(error), 200)
    except Refusal as refusal:
        return web.json_response(refusal.answer())
    except KeyError as error:
        return _no(f"missing field {error}", 400)
    except (TypeError, ValueError, AttributeError) as error:
        return _no(f"a field has the wrong form: {error}", 400)


def _no(sentence: Any, status: int) -> web.Response:
    return web.json_response({"ok": False, "error": sentence}, status=status)
