"""Errors as RFC 9457 problems: what is wrong with which value, and what to do next.

{"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "…", "errors": [...]}
"""

from __future__ import annotations

from http import HTTPStatus
from reprlib import Repr
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from bot.core.ports import StaleError
from tools.errors import BackendError, BadArgumentError, NotFoundError

MEDIA_TYPE = "application/problem+json"
MOST_TOLD = 50  # wrong values in one answer: a million bytes can hold a hundred thousand


_SHORT = Repr()  # of a value, however large or deep it is
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


class FieldProblem(BaseModel):
    """One wrong value."""

    field: str
    detail: str


class Problem(BaseModel):
    """An error as it is answered."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] = []


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, retry_after: int = 0) -> None:
        """Keep the status beside the sentence; `retry_after` in seconds, 0 says nothing."""
        super().__init__(detail)
        self.status, self.detail, self.retry_after = status, detail, retry_after


def problem_response(
    status: int,
    detail: str,
    errors: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """Return a problem as a response."""
    title = HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail, errors=errors or [])
    return JSONResponse(
        body.model_dump(), status_code=status, media_type=MEDIA_TYPE, headers=headers
    )


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems a route may answer.

    Where a token is asked for, one that asks too often is as well.
    """
    if 401 in statuses:
        statuses = (*statuses, 429)
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {s: {"description": HTTPStatus(s).phrase, "content": content} for s in statuses}


def install_problems(app: FastAPI) -> None:
    """Answer every error as a problem."""

    @app.exception_handler(ProblemError)
    async def _problem(_: Request, error: ProblemError) -> JSONResponse:
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        if error.retry_after:
            headers["Retry-After"] = str(error.retry_after)
        return problem_response(error.status, error.detail, headers=headers)

    @app.exception_handler(NotFoundError)
    async def _not_found(_: Request, error: NotFoundError) -> JSONResponse:
        return problem_response(404, str(error))

    @app.exception_handler(BadArgumentError)
    async def _bad_argument(_: Request, error: BadArgumentError) -> JSONResponse:
        return problem_response(422, str(error))

    @app.exception_handler(StaleError)
    async def _stale(_: Request, error: StaleError) -> JSONResponse:
        return problem_response(409, f"{error}; read it again and repeat the request")

    @app.exception_handler(BackendError)
    async def _backend(_: Request, error: BackendError) -> JSONResponse:
        return problem_response(503, f"{error}; try again later", headers={"Retry-After": "5"})

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        wrong = error.errors()
        found = [_field(e) for e in wrong[:MOST_TOLD]]
        detail = "; ".join(f"{p.field}: {p.detail}" for p in found[:5])
        if len(wrong) > MOST_TOLD:
            detail += f"; {len(wrong):,} values are wrong, the first {MOST_TOLD} are told"
        return problem_response(422, detail, found)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        detail = str(error.detail)
        if error.status_code == 404:
            detail = f"there is nothing at {request.url.path!r}; /openapi.json lists every path"
        if error.status_code == 405:
            detail = f"{request.method} is not answered at {request.url.path!r}"
        headers = dict(error.headers) if error.headers else None
        return problem_response(error.status_code, detail, headers=headers)


def _field(error: Any) -> FieldProblem:
    place = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
    given = error.get("input")
    shown = f", got {_SHORT.repr(given)}"[:120] if error["type"] != "missing" else ""
    return FieldProblem(field=place, detail=f"{error['msg']}{shown}")
