"""What the local Slack serves, by path.

/api/METHOD   Web API            /ui/…       the page's protocol
/ws           Socket Mode        /, /static  the page itself
/response/T   response URLs      /files, /upload
"""

import json
from pathlib import Path

from aiohttp import web

from sandbox.slack.chat.wire import Refusal
from sandbox.slack.page import Page, only_our_page
from sandbox.slack.parts import Parts
from sandbox.slack.responses import Responses
from sandbox.slack.webapi import WebApi

_STATIC = Path(__file__).parent / "static"
_MOST_UPLOAD_BYTES = 64 * 1024 * 1024


def application(parts: Parts, api: WebApi, page: Page, responses: Responses) -> web.Application:
    """Join what is served: Web API, Socket Mode, files, response URLs and the page."""

    async def index(_request: web.Request) -> web.StreamResponse:
        file = _STATIC / "index.html"
        if not file.exists():
            raise web.HTTPNotFound(text=f"the page is missing: {file.name!r} is not in static/")
        return web.FileResponse(file, headers={"Cache-Control": "no-cache"})

    async def upload(request: web.Request) -> web.Response:
        try:
            file = parts.files.receive(request.match_info["ticket"], await _raw_body(request))
        except Refusal as refusal:
            return web.Response(status=400, text=str(refusal))
        return web.Response(text=f"OK - {file.size_bytes}")

    async def download(request: web.Request) -> web.Response:
        found = parts.files.read(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound(text=f"no file {request.match_info['id']!r}")
        file, body = found
        safe = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return web.Response(body=body, content_type=file.mimetype, headers=safe)

    async def respond(request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text() or "{}")
            if not isinstance(body, dict):
                raise Refusal("invalid_payload")
            responses.use(request.match_info["token"], body)
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        except Refusal as refusal:
            is_gone = refusal.code in {"expired_url", "used_url"}
            return web.json_response(refusal.answer(), status=404 if is_gone else 400)
        return web.Response(text="ok")

    served = web.Application(client_max_size=_MOST_UPLOAD_BYTES, middlewares=[only_our_page])
    served.add_routes(
        [
            web.get("/", index),
            web.route("*", "/api/{method}", api.serve),
            web.get("/ws", parts.socket.serve),
            web.post("/upload/v1/{ticket}", upload),
            web.get("/files/{id}/{name}", download),
            web.post("/response/{token}", respond),
            *page.routes(),
        ]
    )
    if _STATIC.is_dir():
        served.router.add_static("/static", _STATIC)
    return served


async def _raw_body(request: web.Request) -> bytes:
    """The uploaded bytes: the raw body, or the one file of a multipart form."""
    if request.content_type != "multipart/form-data":
        return await request.read()
    for field in (await request.post()).values():
        if isinstance(field, web.FileField):
            return field.file.read()
    return b""
