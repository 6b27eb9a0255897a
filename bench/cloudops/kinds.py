"""What the set calls what we found: our analysers' names beside its `root_cause`.

Written from the set's list of fault types before anything was scored (those of metrics before
metrics were); a name of ours that is not here answers nothing that the set asks.
"""

from __future__ import annotations

NAMES: dict[str, tuple[str, ...]] = {
    "missing_service_account": ("service-account-missing",),
    "namespace_cpu_quota_exceeded": ("quota-cpu-exceeded",),
    "namespace_memory_quota_exceeded": ("quota-memory-exceeded",),
    "namespace_pod_quota_exceeded": ("quota-pods-exceeded",),
    "namespace_service_quota_exceeded": ("quota-services-exceeded", "quota-services-full"),
    "namespace_storage_quota_exceeded": ("quota-storage-exceeded", "quota-storage-full"),
    "containerd_unavailable": ("unit-runtime-down", "node-runtime-down", "runtime-silent"),
    "kube_proxy_unavailable": ("unit-proxy-down", "system-proxy-unready"),
    "kube_scheduler_unavailable": ("unit-scheduler-down", "no-scheduler"),
    "kubelet_unavailable": ("unit-kubelet-down", "node-silent"),
    "node_network_delay": ("node-network-slow",),
    "node_network_packet_loss": ("node-network-lossy",),
    "pod_cpu_overload": ("cpu-saturated", "cpu-throttled", "cpu-exhausted"),
    # Its metrics show that one service is slow by itself and does not work more, not why: that is
    # as near as they come, and the report counts these cases apart.
    "pod_network_delay": ("network-slow", "latency-unexplained"),
    "liveness_probe_incorrect_port": ("liveness-probe-port",),
    "liveness_probe_incorrect_protocol": ("liveness-probe-protocol",),
    "liveness_probe_incorrect_timing": ("liveness-probe-time",),
    "oom_killed": ("oom-killed", "memory-limit-too-low"),
    "readiness_probe_incorrect_port": ("readiness-probe-port",),
    "readiness_probe_incorrect_protocol": ("readiness-probe-protocol",),
    "cpu_capacity_mismatch": ("node-cpu-too-small",),
    "memory_capacity_mismatch": ("node-memory-too-small",),
    "node_affinity_mismatch": ("node-affinity-unmet",),
    "node_cordon_mismatch": ("nodes-cordoned",),
    "node_selector_mismatch": ("node-selector-unmet",),
    "pod_anti_affinity_conflict": ("anti-affinity",),
    "pv_binding_occupied": ("volume-taken",),
    "pvc_access_mode_mismatch": ("volume-access-mode",),
    "pvc_capacity_mismatch": ("volume-too-small",),
    "pvc_selector_mismatch": ("volume-not-selected",),
    "pvc_storage_class_mismatch": ("storage-class-missing", "volume-of-other-class"),
    "taint_toleration_mismatch": ("taint-not-tolerated",),
    "service_env_var_address_mismatch": ("address-of-nobody", "address-with-other-port"),
    "service_port_mapping_mismatch": ("service-port-name", "service-port-number"),
    "service_protocol_mismatch": ("service-protocol",),
    "service_selector_mismatch": ("service-selects-nothing",),
    "image_registry_dns_failure": ("registry-name-unknown",),
    "incorrect_image_reference": ("image-not-found", "image-name-invalid"),
    "missing_image_pull_secret": ("image-pull-denied",),
    "missing_secret_binding": ("secret-missing", "mounted-secret-missing", "key-missing"),
    "volume_mount_permission_denied": ("file-not-permitted", "mount-denied"),
    "mysql_invalid_credentials": ("credential-refused",),
}


def is_right(name: str, subject: str, fault_object: str, root_cause: str) -> bool:
    """Say whether a cause names both what the set asks for: the object and the kind."""
    where = fault_object.partition("/")[2]
    return name in NAMES.get(root_cause, ()) and subject == where
