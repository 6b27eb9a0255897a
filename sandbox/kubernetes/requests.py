"""One API request after routing, and what all verbs share.

A *call* is (user, verb, resource, namespace, name, subresource); `Call.permit` refuses what the
user may not do, before anything is looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes import access
from sandbox.kubernetes.resources import HPAS, Resource, autoscaler_v1, autoscaler_v2
from sandbox.kubernetes.status import Json, bad_request, forbidden, no_such_path, not_found
from sandbox.kubernetes.store import Store

DRY_RUN_ALL = "All"


@dataclass(frozen=True)
class Call:
    """One request for an object or a collection."""

    user: str
    verb: str  # get list watch create update patch delete
    resource: Resource
    version: str  # the version asked for
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = "application/json"

    def permit(self) -> None:
        """Refuse what the user may not do, and subresources that do not exist."""
        if self.subresource and self.subresource not in self.resource.subresources:
            raise no_such_path()
        if not access.allowed(self.user, self.verb, self.resource.id, self.subresource):
            target = self.resource.target(self.name)
            raise forbidden(self.user, self.verb, target, self.namespace, self.subresource)

    @property
    def dry_run(self) -> bool:
        """Is this a rehearsal (`?dryRun=All`, or `dryRun` in DeleteOptions)?"""
        asked = self.params.get("dryRun")
        body = self.body if isinstance(self.body, dict) else {}
        if asked is None and self.verb in {"delete", "create"}:
            listed = body.get("dryRun") or body.get("deleteOptions", {}).get("dryRun") or [None]
            asked = listed[0] if isinstance(listed, list) else listed
        if asked in (None, ""):
            return False
        if asked != DRY_RUN_ALL:
            msg = f"Invalid value: {asked!r}: dryRun must be '{DRY_RUN_ALL}'"
            raise bad_request(msg)
        return True

    def found(self, store: Store) -> Json:
        """Return a copy of the object the call names; 404 if there is none."""
        item = store.get(self.resource, self.namespace, self.name)
        if item is None:
            raise not_found(self.resource.target(self.name))
        return item

    def shown(self, item: Json) -> Json:
        """The object in the version that was asked for."""
        if self.resource is HPAS and self.version == "v1":
            return autoscaler_v1(item)
        return item

    def stored(self, item: Json) -> Json:
        """The object a client wrote, in the version it is kept in."""
        if self.resource is HPAS and self.version == "v1":
            return autoscaler_v2(item)
        return item

    def number(self, name: str) -> int | None:
        """A whole-number query parameter."""
        text = self.params.get(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            msg = f"query parameter {name} must be a whole number, got {text!r}"
            raise bad_request(msg) from None

    def flag(self, name: str) -> bool:
        """A boolean query parameter."""
        return self.params.get(name, "").lower() in {"1", "true"}
