"""Ingresses that lead to a Service or port that is not there."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.kubernetes_objects import Json

_BACK = ("config_rollback",)


def backends(ingress: Json) -> Iterator[Json]:
    """Yield the Services that an Ingress leads to, each with its port."""
    spec = ingress.get("spec") or {}
    if default := (spec.get("defaultBackend") or {}).get("service"):
        yield default
    for rule in spec.get("rules") or ():
        for path in (rule.get("http") or {}).get("paths") or ():
            if service := (path.get("backend") or {}).get("service"):
                yield service


def _nobody(state: ClusterState) -> Iterator[Sign]:
    if not state.reads("Service"):
        return
    for ingress in state.of("Ingress"):
        own = object_of(ingress, "Ingress")
        for backend in backends(ingress):
            if state.find("Service", own.namespace, backend.get("name", "")) is None:
                yield Sign(own, f"Ingress {own.name} leads to Service {backend.get('name')}, "
                                "which does not exist")  # fmt: skip


def _no_port(state: ClusterState) -> Iterator[Sign]:
    for ingress in state.of("Ingress"):
        own = object_of(ingress, "Ingress")
        for backend in backends(ingress):
            name, port = backend.get("name", ""), backend.get("port") or {}
            service = state.find("Service", own.namespace, name)
            asked = port.get("number", port.get("name"))
            ports = ((service or {}).get("spec") or {}).get("ports") or ()
            told = {each.get("port") for each in ports} | {each.get("name") for each in ports}
            if service is not None and asked is not None and asked not in told:
                subject = Object("Ingress", own.namespace, own.name)
                yield Sign(subject, f"Ingress {own.name} leads to port {asked} of Service {name}, "
                                    "which it does not have")  # fmt: skip


ANALYSERS = (
    Analyser("ingress-to-nobody", Link.START, _BACK, "the Ingress's backends", _nobody, 0),
    Analyser("ingress-to-no-port", Link.START, _BACK, "the Ingress's backends", _no_port, 0),
)
