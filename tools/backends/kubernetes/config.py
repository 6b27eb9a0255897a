"""What can be set about a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from tools.world import DEFAULT_CLUSTER


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesConfig:
    """One cluster and the two identities we have there."""

    kubeconfig: str = ""  # file of the reading identity; empty with in_cluster
    kubeconfig_act: str = ""  # file of the acting identity; empty: nothing can be changed
    in_cluster: bool = False  # read with the pod's own service account
    context: str = ""  # of the kubeconfig; empty: its current context
    context_act: str = ""  # of the acting kubeconfig
    name: str = DEFAULT_CLUSTER  # the cluster's name in WorkloadRef
    namespaces: tuple[str, ...] = ()  # where we may look; empty: everywhere
    timeout_seconds: float = 15.0  # of one request
    page_size: int = 500  # objects per list request
    max_response_bytes: int = 64 * 1024 * 1024  # of one answer, unpacked
    proxy: str = ""
    setting: str = "KUBECONFIG or K8S_IN_CLUSTER=true"  # what switches reading on
    setting_act: str = "KUBECONFIG_ACT"  # what switches acting on
    setting_namespaces: str = "kubernetes.namespaces"  # where `namespaces` is written

    @property
    def readable(self) -> bool:
        """Say whether a reading identity is configured."""
        return bool(self.kubeconfig) or self.in_cluster

    @property
    def actionable(self) -> bool:
        """Say whether an acting identity is configured."""
        return bool(self.kubeconfig_act)
