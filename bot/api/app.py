"""The application: routes, problems, limits. Nothing but health and metrics without a token."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from bot.api.deps import ApiDeps
from bot.api.limits import MOST_BYTES, BodyLimit
from bot.api.problems import Problem, install_problems
from bot.api.routes import (
    alerts,
    anomalies,
    approvals,
    baselines,
    deployments,
    health,
    incidents,
    plans,
    status,
    switches,
)

ROUTES = (
    health, status, anomalies, incidents, baselines, plans, approvals, switches, alerts,
    deployments,
)  # fmt: skip


def build_api(deps: ApiDeps, *, most_bytes: int = MOST_BYTES) -> FastAPI:
    """Return the API over the given core."""
    app = FastAPI(
        title="SRE Agent",
        version=deps.version,
        summary="Anomalies, plans and their approvals; approving obeys the same policy as a click.",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
    )
    app.state.deps = deps
    app.add_middleware(BodyLimit, most_bytes=most_bytes)
    install_problems(app)
    for each in ROUTES:
        app.include_router(each.router)
    _describe_problems(app)
    return app


def _describe_problems(app: FastAPI) -> None:
    """Add the problem's schema to the description, which routes refer to by name.

    It is described when somebody asks: that takes longer than to build all the rest.
    """
    plain = app.openapi

    def described() -> dict[str, Any]:
        known, schema = app.openapi_schema is not None, plain()
        if not known:
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs", {}))
            schemas["Problem"] = problem
        return schema

    app.openapi = described  # type: ignore[method-assign]
