"""The Web API's front door: arguments, token, scopes, required arguments, then the method.

request ──> switches (429, faults) ──> unknown_method ──> token ──> scopes ──> required ──> run
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field

from aiohttp import web

from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.limits import RateLimits
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.table import METHODS, Method
from sandbox.slack.parts import Parts, refuse_without

APP_SCOPES = frozenset({"connections:write"})


@dataclass
class Switches:
    """Trouble on demand.

    Attributes:
        limited: method -> (how many more calls are refused, seconds to wait).
        failing: method -> (how many more calls fail, HTTP status or None, Slack error or None).
        lost: method -> how many more calls take effect, but are answered with HTTP 504.
        real_limits: also refuse calls that come more often than Slack allows.
    """

    limited: dict[str, tuple[int, int]] = field(default_factory=dict)
    failing: dict[str, tuple[int, int | None, str | None]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    real_limits: bool = True


@dataclass
class WebApi:
    """Serves `/api/METHOD`.

    Attributes:
        calls: the latest calls as (method, arguments without the token).
    """

    parts: Parts
    bot_token: str
    app_token: str
    limits: RateLimits
    switches: Switches = field(default_factory=Switches)
    calls: deque[tuple[str, Json]] = field(default_factory=lambda: deque(maxlen=2_000))

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one call."""
        name = request.match_info["method"]
        trouble = self._trouble(name)
        if trouble is not None:
            return trouble
        method = METHODS.get(name)
        if method is None:
            return web.json_response({"ok": False, "error": "unknown_method", "req_method": name})
        headers: dict[str, str] = {}
        try:
            given, token = await read_arguments(request)
            self.calls.append((name, given))
            held = self._authenticate(method, token)
            headers["X-OAuth-Scopes"] = ",".join(sorted(held))
            headers["X-Accepted-OAuth-Scopes"] = ",".join(method.scopes)
            refuse_without(held, method.scopes)
            _refuse_missing(method, given)
            limited = self._real_limit(name, method, given)
            if limited is not None:
                return limited
            answer = await method.run(self.parts, Args(given))
        except Refusal as refusal:
            answer = refusal.answer()
        self.parts.hub.stir()
        if self.switches.lost.get(name, 0) > 0:
            self.switches.lost[name] -= 1
            return web.Response(status=504, text="local Slack: the answer was lost on demand")
        return web.json_response(answer, headers=headers)

    def _authenticate(self, method: Method, token: str) -> frozenset[str]:
        if not token:
            raise Refusal("not_authed")
        if token not in {self.bot_token, self.app_token}:
            raise Refusal("invalid_auth")
        if token != (self.app_token if method.token == "app" else self.bot_token):
            raise Refusal("not_allowed_token_type")
        return APP_SCOPES if method.token == "app" else self.parts.manifest.scopes

    def _trouble(self, name: str) -> web.Response | None:
        count, wait = self.switches.limited.get(name, (0, 0))
        if count > 0:
            self.switches.limited[name] = (count - 1, wait)
            return too_many(wait)
        count, status, error = self.switches.failing.get(name, (0, None, None))
        if count > 0:
            self.switches.failing[name] = (count - 1, status, error)
            if status is not None:
                return web.Response(status=status, text=f"local Slack: status {status} on demand")
            return web.json_response({"ok": False, "error": error})
        return None

    def _real_limit(self, name: str, method: Method, given: Json) -> web.Response | None:
        if not self.switches.real_limits:
            return None
        now = asyncio.get_running_loop().time()
        wait = self.limits.seconds_to_wait(name, method.tier, given, now)
        return too_many(wait) if wait else None


def too_many(wait: int) -> web.Response:
    """Slack's 429."""
    answer = {"ok": False, "error": "ratelimited"}
    return web.json_response(answer, status=429, headers={"Retry-After": str(wait)})


async def read_arguments(request: web.Request) -> tuple[Json, str]:
    """Merge query, form and JSON; the token may come as header or argument."""
    given: Json = dict(request.query)
    if request.can_read_body:
        if request.content_type == "application/json":
            given |= _json_object(await request.text())
        elif request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            given |= dict(await request.post())
        else:
            raise Refusal("invalid_post_type")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    argument = str(given.pop("token", "") or "")
    return given, token.strip() if scheme.lower() == "bearer" else argument


def _json_object(text: str) -> Json:
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        raise Refusal("invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal("json_not_object")
    return body


def _refuse_missing(method: Method, given: Json) -> None:
    missing = [name for name in method.required if given.get(name) in (None, "")]
    if missing:
        messages = [f"missing required field: {name}" for name in missing]
        raise Refusal("invalid_arguments", *messages)
