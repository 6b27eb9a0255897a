"""Kubernetes: a reading and an acting adapter with separate identities. The only importer of it."""

from tools.backends.kubernetes.actor import KubernetesActor
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.reader import KubernetesReader

__all__ = ["KubernetesActor", "KubernetesConfig", "KubernetesReader"]
