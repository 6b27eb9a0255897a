"""The imitated Kubernetes API server: HTTP in, one `Call` out, errors as Status objects.

GET  /version /livez /readyz /api /apis …         discovery, no token needed for health
*    /api/v1/… and /apis/GROUP/VERSION/…          objects
GET  /-/sandbox/effects                           what mutating requests were let through
"""

import asyncio
import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from sandbox.clock import Clock
from sandbox.kubernetes import access, postgres, reading, tables, usage, watching, writing
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.patches import JSON_PATCH
from sandbox.kubernetes.requests import Call
from sandbox.kubernetes.resources import (
    AUTH_GROUP,
    METRICS_GROUP,
    NAMESPACES,
    REVIEW,
    RULES_REVIEW,
    SERVER_VERSION,
    Resource,
    api_group,
    api_group_list,
    api_versions,
    find_resource,
    group_versions,
    resource_list,
)
from sandbox.kubernetes.status import (
    ApiError,
    Json,
    bad_request,
    no_such_path,
    unauthorized,
)

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
TICK_SECONDS = 0.25  # wall time between background ticks, so that watches see the world move
PROTOBUF = "application/vnd.kubernetes.protobuf"
OPENAPI_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
MAX_BODY_BYTES = 3 * 1024 * 1024  # the API server's own limit


@dataclass
class KubernetesServer:
    """A running server."""

    url: str
    cluster: Cluster
    clock: Clock
    kubeconfigs: access.Kubeconfigs
    _runner: web.AppRunner
    _stopping: asyncio.Event
    _ticking: asyncio.Task[None] | None = field(default=None)

    @property
    def reader_kubeconfig(self) -> Path:
        """Kubeconfig of the identity that may only read."""
        return self.kubeconfigs.reader

    @property
    def actor_kubeconfig(self) -> Path:
        """Kubeconfig of the identity that may act."""
        return self.kubeconfigs.actor

    @property
    def effects(self) -> list[Json]:
        """Mutating requests that were let through and were no dry runs, oldest first."""
        return list(self.cluster.effects)

    def settle(self) -> None:
        """Let everything happen that is due by the clock."""
        self.cluster.tick(self.clock.now())

    async def close(self) -> None:
        """End watches and stop listening."""
        self._stopping.set()
        for callback in list(self.cluster.on_change):
            callback()
        if self._ticking is not None:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking
        await self._runner.cleanup()


async def start_kubernetes(
    host: str, port: int, *, cluster: Cluster, clock: Clock, state_dir: Path
) -> KubernetesServer:
    """Serve `cluster` and write the two kubeconfigs into `state_dir`; port 0 takes a free one."""
    stopping = asyncio.Event()
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    api = ApiServer(cluster, clock, stopping)
    app.router.add_route("*", "/{path:.*}", api.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    api.url = f"http://{host}:{bound}"
    kubeconfigs = access.write_kubeconfigs(
        state_dir, api.url, next(iter(cluster.blueprint.namespaces))
    )
    server = KubernetesServer(api.url, cluster, clock, kubeconfigs, runner, stopping)
    server._ticking = asyncio.create_task(_tick_on(cluster, clock))  # noqa: SLF001  its own factory
    return server


async def _tick_on(cluster: Cluster, clock: Clock) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        cluster.tick(clock.now())


@dataclass
class ApiServer:
    """Routes requests to the cluster."""

    cluster: Cluster
    clock: Clock
    stopping: asyncio.Event
    url: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; every refusal is a Status object."""
        try:
            self.cluster.tick(self.clock.now())
            return await self._answer(request)
        except ApiError as error:
            # no Retry-After, as for a real eviction: with one, kubectl waits instead of saying why
            return web.json_response(error.body(), status=error.code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = [part for part in request.path.split("/") if part]
        if path in (["livez"], ["readyz"], ["healthz"]):
            return web.Response(text="ok")
        if path == ["-", "sandbox", "effects"]:
            return web.json_response(self._effects())
        user, path = _user(request, path)
        if path == ["openapi", "v2"]:
            # an empty protobuf document: kubectl skips its own validation, the server validates
            return web.Response(body=b"", content_type=OPENAPI_PROTOBUF)
        if request.method == "GET" and (found := self._discovery(path)) is not None:
            return web.json_response(found)
        if path[:3] == ["apis", AUTH_GROUP, "v1"] and len(path) == 4:
            return web.json_response(await _review(request, user, path[3]), status=201)
        if path[:3] == ["apis", METRICS_GROUP, usage.VERSION] and request.method == "GET":
            return web.json_response(usage.answer(self.cluster, user, path[3:]))
        if path[4:5] == ["pods"] and path[6:7] == ["proxy"] and request.method == "GET":
            call = _route(request, [*path[:6], "proxy"], user)
            call.permit()
            return web.json_response(postgres.instance_status(self.cluster, call, path[7:]))
        return await self._carry_out(request, _route(request, path, user))

    async def _carry_out(self, request: web.Request, call: Call) -> web.StreamResponse:
        call.permit()
        if call.subresource == "log":
            return web.Response(text=reading.read_log(self.cluster, call))
        if call.verb == "watch":
            return await self._watch(request, call)
        if call.verb == "list":
            items, meta = reading.list_items(self.cluster, call)
            return web.json_response(self._listed(request, call, items, meta))
        if call.verb == "get":
            item = call.found(self.cluster.store)
            if call.subresource == "scale":
                return web.json_response(writing.scale_of(item))
            return web.json_response(self._one(request, call, call.shown(item)))
        call = replace(call, body=await _body(request))
        code, item = writing.write(self.cluster, call)
        return web.json_response(item, status=code)

    def _effects(self) -> Json:
        effects = self.cluster.effects
        counts = Counter(
            " ".join((
                row["verb"],
                row["resource"] + (f"/{row['subresource']}" if row["subresource"] else ""),
                f"{row['namespace']}/{row['name']}" if row["namespace"] else row["name"],
            ))
            for row in effects
        )  # fmt: skip
        return {"total": len(effects), "counts": dict(counts), "effects": effects}

    def _discovery(self, path: list[str]) -> Json | None:
        groups = group_versions()
        match path:
            case ["version"]:
                return SERVER_VERSION
            case []:
                listed = [f"/apis/{g}/{v}" for g, versions in groups.items() for v in versions]
                return {"paths": ["/api", "/api/v1", "/apis", *listed, "/version"]}
            case ["api"]:
                return api_versions(self.url.removeprefix("http://"))
            case ["api", "v1"]:
                return resource_list("", "v1")
            case ["apis"]:
                return api_group_list()
            case ["apis", group] if group in groups:
                return api_group(group, groups[group])
            case ["apis", group, version] if version in groups.get(group, ()):
                return resource_list(group, version)
        return None

    def _listed(self, request: web.Request, call: Call, items: list[Json], meta: Json) -> Json:
        if _wants_table(request):
            return self._table(request, call, items, meta)
        kind, version = call.resource.kind, call.resource.api_version
        if call.version != call.resource.version:
            version = f"{call.resource.group}/{call.version}"
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": meta, "items": items}

    def _one(self, request: web.Request, call: Call, item: Json) -> Json:
        if _wants_table(request):
            meta = {"resourceVersion": item["metadata"]["resourceVersion"]}
            return self._table(request, call, [item], meta)
        return item

    def _table(self, request: web.Request, call: Call, items: list[Json], meta: Json) -> Json:
        include = request.query.get("includeObject", "Metadata")
        stored = [call.stored(item) for item in items]
        return tables.table(call.resource, stored, meta, self.cluster.now, include)

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        reading.matcher(call)  # a bad selector is refused before the stream begins
        call.number("resourceVersion")
        await response.prepare(request)
        as_table = _wants_table(request)
        with contextlib.suppress(ConnectionResetError):
            async with contextlib.aclosing(
                watching.stream(self.cluster, call, self.stopping)
            ) as events:
                async for event in events:
                    shown = event
                    if as_table and event["type"] in {"ADDED", "MODIFIED", "DELETED"}:
                        meta = {"resourceVersion": event["object"]["metadata"]["resourceVersion"]}
                        made = self._table(request, call, [event["object"]], meta)
                        shown = event | {"object": made}
                    await response.write(watching.line(shown))
        return response


def _wants_table(request: web.Request) -> bool:
    return "as=Table" in request.headers.get("Accept", "")


def _user(request: web.Request, path: list[str]) -> tuple[str, list[str]]:
    """Who asks, and the path without the `/as/NAME` that stands in for a token.

    kubectl sends no token over plain HTTP, so the kubeconfigs name the identity in the server's
    path too. A bearer token wins where there is one, and a wrong one is never forgiven.
    """
    named = None
    if path[:1] == ["as"]:
        named = access.IDENTITIES.get("".join(path[1:2]))
        path = path[2:]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    user = access.USERS.get(token.strip()) if scheme.lower() == "bearer" else named
    if user is None:
        raise unauthorized()
    return user, path


def _route(request: web.Request, path: list[str], user: str) -> Call:
    """Parse `/api/v1/…` and `/apis/GROUP/VERSION/…`."""
    match path:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            raise no_such_path()
    namespace = ""
    match rest:
        case ["namespaces", namespace, plural, *rest] if plural != "status":
            resource = _resource(group, version, plural)
            if not resource.namespaced:
                raise no_such_path()
        case [plural, *rest]:
            resource = _resource(group, version, plural)
        case _:
            raise no_such_path()
    name, subresource = (*rest, "", "")[:2]
    if len(rest) > 2 or (name and resource.namespaced and not namespace):
        raise no_such_path()
    verb = VERBS.get(request.method, "get" if name else "list")
    if request.method == "GET" and request.query.get("watch", "") in {"1", "true"}:
        verb = "watch"
    if request.method in {"POST", "PUT", "PATCH", "DELETE"}:
        _check_verb(request.method, resource, name, subresource)
    return Call(
        user=user,
        verb=verb,
        resource=resource,
        version=version,
        namespace=namespace,
        name=name,
        subresource=subresource,
        params=dict(request.query),
        content_type=request.content_type,
    )


def _check_verb(method: str, resource: Resource, name: str, subresource: str) -> None:
    fits = bool(name) != (method == "POST") or subresource == "eviction"
    if not fits or (resource is NAMESPACES and method == "DELETE" and not name):
        msg = "the server does not allow this method on the requested resource"
        raise ApiError(405, "MethodNotAllowed", msg)


def _resource(group: str, version: str, plural: str) -> Resource:
    resource = find_resource(group, version, plural)
    if resource is None:
        raise no_such_path()
    return resource


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    if not raw:
        return None
    if request.content_type == PROTOBUF:
        msg = (
            f"the body of the request was in an unknown format - {PROTOBUF}: the sandbox reads JSON"
            " and YAML; with kubectl use `--dry-run=client -o json | kubectl create -f -`"
        )
        raise ApiError(415, "UnsupportedMediaType", msg)
    try:
        if "yaml" in request.content_type:
            return yaml.safe_load(raw)
        return json.loads(raw)
    except (ValueError, yaml.YAMLError) as error:
        kind = "patch" if request.content_type == JSON_PATCH else "body"
        msg = f"the {kind} of the request cannot be decoded: {error}"
        raise bad_request(msg) from None


async def _review(request: web.Request, user: str, plural: str) -> Json:
    """SelfSubjectAccessReview and SelfSubjectRulesReview."""
    if plural not in {REVIEW, RULES_REVIEW} or request.method != "POST":
        raise no_such_path()
    body = await _body(request)
    if not isinstance(body, dict) or not isinstance(body.get("spec"), dict):
        msg = f"{plural} needs a JSON body with a spec"
        raise bad_request(msg)
    if plural == RULES_REVIEW:
        found: Json = {
            "resourceRules": access.rules(user), "nonResourceRules": [], "incomplete": False,
        }  # fmt: skip
        return body | {"status": found}
    asked = body["spec"].get("resourceAttributes")
    if not isinstance(asked, dict):
        return body | {"status": {"allowed": False, "reason": "only resources are served"}}
    plural_asked, group = asked.get("resource", ""), asked.get("group", "")
    resource_id = f"{plural_asked}.{group}" if group else plural_asked
    part = asked.get("subresource", "")
    if "/" in plural_asked:
        plural_asked, part = plural_asked.split("/", 1)
        resource_id = f"{plural_asked}.{group}" if group else plural_asked
    may = access.allowed(user, asked.get("verb", ""), resource_id, part)
    return body | {"status": {"allowed": may} | ({} if may else {"reason": "no rule allows it"})}
