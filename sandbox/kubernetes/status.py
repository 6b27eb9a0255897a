"""Refusals of the imitated API server, in the shape Kubernetes clients parse (`kind: Status`).

ApiError ── code 400 BadRequest   the request cannot be read
         ├─ 401 Unauthorized      no such token
         ├─ 403 Forbidden         the token may not do this verb to this resource
         ├─ 404 NotFound          no such object, or no such path
         ├─ 409 Conflict          somebody else changed the object first, or it exists already
         ├─ 410 Expired           the resourceVersion or continue token is too old
         ├─ 415 / 422             a patch of an unknown type / an object that is not valid
         └─ 429 TooManyRequests   an eviction would break a disruption budget
"""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What a request is about, as error messages name it."""

    plural: str
    kind: str = ""
    group: str = ""
    name: str = ""
    uid: str = ""

    @property
    def group_resource(self) -> str:
        """`deployments.apps`, or `pods` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def details(self) -> Json:
        """The `details` block of a Status."""
        found = {"name": self.name, "group": self.group, "kind": self.plural, "uid": self.uid}
        return {key: value for key, value in found.items() if value}


@dataclass
class ApiError(Exception):
    """One refusal; `body()` is the Status object sent to the client."""

    code: int  # HTTP status
    reason: str  # machine-readable word of Kubernetes
    message: str
    details: Json = field(default_factory=dict)

    def body(self) -> Json:
        """The Status object."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if self.details:
            status["details"] = self.details
        return status


def success(target: Target, code: int = 200) -> Json:
    """The Status of a deletion or eviction that worked."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": target.details(),
        "code": code,
    }


def bad_request(message: str) -> ApiError:
    """400: the request itself is wrong."""
    return ApiError(400, "BadRequest", message)


def not_found(target: Target) -> ApiError:
    """404 for an object."""
    message = f'{target.group_resource} "{target.name}" not found'
    return ApiError(404, "NotFound", message, target.details())


def no_such_path() -> ApiError:
    """404 for a path the server does not serve."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def conflict(target: Target, why: str) -> ApiError:
    """409: a lost race or a broken precondition."""
    message = f'Operation cannot be fulfilled on {target.group_resource} "{target.name}": {why}'
    return ApiError(409, "Conflict", message, target.details())


def modified(target: Target) -> ApiError:
    """409 with the sentence every Kubernetes client knows."""
    return conflict(
        target,
        "the object has been modified; please apply your changes to the latest version and try"
        " again",
    )


def already_exists(target: Target) -> ApiError:
    """409 on create."""
    message = f'{target.group_resource} "{target.name}" already exists'
    return ApiError(409, "AlreadyExists", message, target.details())


def invalid(target: Target, *causes: tuple[str, str]) -> ApiError:
    """422: the object does not validate; causes are (field, message)."""
    kind = f"{target.kind}.{target.group}" if target.group else target.kind
    listed = [f"{where}: {what}" for where, what in causes]
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    details = target.details() | {
        "kind": target.kind,
        "causes": [
            {"reason": "FieldValueInvalid", "message": what, "field": where}
            for where, what in causes
        ],
    }
    return ApiError(422, "Invalid", f'{kind} "{target.name}" is invalid: {text}', details)


def patch_failed(why: str) -> ApiError:
    """422: a JSON patch that could not be applied (a failed `test`, a missing path)."""
    return ApiError(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
        {"causes": [{"reason": "UnexpectedServerResponse", "message": why}]},
    )


def unsupported_patch(content_type: str, accepted: tuple[str, ...]) -> ApiError:
    """415: a patch of a type this resource does not take."""
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format {content_type!r} - accepted media types"
        f" include: {', '.join(accepted)}",
    )


def forbidden(user: str, verb: str, target: Target, namespace: str, subresource: str) -> ApiError:
    """403 that names the missing verb and resource."""
    plural = f"{target.plural}/{subresource}" if subresource else target.plural
    named = f"{target.plural if not target.group else target.group_resource}"
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    subject = f'{named} "{target.name}" is forbidden' if target.name else f"{named} is forbidden"
    message = (
        f'{subject}: User "{user}" cannot {verb} resource "{plural}" in API group'
        f' "{target.group}" {where}'
    )
    return ApiError(403, "Forbidden", message, target.details())


def unauthorized() -> ApiError:
    """401: the bearer token is missing or unknown."""
    return ApiError(401, "Unauthorized", "Unauthorized")


def gone(oldest: int, asked: int) -> ApiError:
    """410: the past that was asked for has been compacted away."""
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def disruption_blocked(target: Target, budget: str, healthy: int, needed: int) -> ApiError:
    """429: an eviction a PodDisruptionBudget forbids."""
    why = f"The disruption budget {budget} needs {needed} healthy pods and has {healthy} currently"
    return ApiError(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        target.details() | {"causes": [{"reason": "DisruptionBudget", "message": why}]},
    )
