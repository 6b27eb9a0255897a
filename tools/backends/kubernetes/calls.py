"""One request to a Kubernetes API: what it asks for, where it goes, and how people read it."""

from __future__ import annotations

from dataclasses import dataclass

from tools.backends.kubernetes.kinds import Resource
from tools.world import WorkloadRef

METHODS = {"get": "GET", "list": "GET", "patch": "PATCH", "delete": "DELETE", "create": "POST"}


@dataclass(frozen=True, slots=True)
class KubernetesCall:
    """One request and the words its failure is told in."""

    verb: str  # the RBAC verb: get, list, patch, delete, create
    resource: Resource
    ref: WorkloadRef  # name is empty for a list
    subresource: str = ""
    changes: bool = False  # true when an answer that is lost leaves the effect unproved

    def __str__(self) -> str:
        """Return `patch deployments/my-api in team-a`."""
        name = f"{self.resource.plural}/{self.ref.name}" if self.ref.name else self.resource.plural
        tail = f" ({self.subresource})" if self.subresource else ""
        where = f" in {self.ref.namespace}" if self.ref.namespace else ""
        return f"{self.verb} {name}{tail}{where}"

    @property
    def path(self) -> str:
        if self.verb in {"list", "watch"} or (self.verb == "create" and not self.subresource):
            return self.resource.collection(self.ref.namespace)
        return self.resource.path(self.ref, self.subresource)


class VersionCall(KubernetesCall):
    """Asks for the version of the API server: every identity may."""

    @property
    def path(self) -> str:
        return "/version"


ASK_VERSION = VersionCall(
    "get", Resource("", "", "version", namespaced=False), WorkloadRef("", "", "", "")
)
