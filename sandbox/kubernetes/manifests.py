"""Manifests of the simulated platform: what its people once applied."""

from sandbox.kubernetes.status import Json
from sandbox.world.blueprint import GIB, MIB, Autoscaled, Blueprint, Budget, CronJob, Service


def labels_of(service: Service) -> Json:
    """Labels of the workload and of its pods."""
    return {
        "app": service.name,
        "app.kubernetes.io/name": service.name,
        "team": service.team,
        "tier": service.tier,
        **_argocd(service),
        **service.labels,
    }


def _argocd(service: Service) -> Json:
    if not service.argocd:
        return {}
    return {
        "argocd.argoproj.io/instance": service.name,
        "app.kubernetes.io/managed-by": "argocd",
    }


def config_name(service: Service, version: int | None = None) -> str:
    """Immutable config maps carry their version in the name."""
    return f"{service.name}-config-v{version or service.config_version}"


def config_map(service: Service, name: str, blueprint: Blueprint) -> Json:
    """One version of a service's configuration; older versions differ as the world says."""
    values = dict(blueprint.settings) | {
        "SERVICE": service.name,
        "CONFIG_VERSION": name.rsplit("v", 1)[1],
    }
    if name != config_name(service):
        values |= blueprint.earlier_settings
    meta = {"name": name, "namespace": service.namespace, "labels": labels_of(service)}
    return {"metadata": meta, "data": values, "immutable": True}


def mebibytes(count: int) -> str:
    """A memory quantity in Kubernetes' canonical form: clients rewrite `2048Mi` to `2Gi`."""
    return f"{count // GIB}Gi" if count % GIB == 0 else f"{count // MIB}Mi"


def pod_template(service: Service, version: str, config: str) -> Json:
    """The pod template of one revision."""
    request = service.cpu_limit_cores / 2
    container: Json = {
        "name": service.name,
        "image": f"{service.name}:{version}",
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "main", "containerPort": service.port, "protocol": "TCP"}],
        "resources": {
            "limits": {
                "cpu": f"{service.cpu_limit_cores:g}",
                "memory": mebibytes(service.memory_limit_bytes),
            },
            "requests": {
                "cpu": f"{request:g}",
                "memory": mebibytes(service.memory_limit_bytes // 2),
            },
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    if service.kind == "Deployment":
        container["envFrom"] = [{"configMapRef": {"name": config}}]
        container["env"] = [{"name": "VERSION", "value": version}]
        container["readinessProbe"] = {
            "httpGet": {"path": "/ready", "port": "main", "scheme": "HTTP"},
            "periodSeconds": 5, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3,
        }  # fmt: skip
    labels = labels_of(service)
    if service.operator == "cloudnative-pg":
        labels["cnpg.io/cluster"] = service.name
    return {
        "metadata": {
            "labels": labels,
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9100"},
        },
        "spec": {
            "containers": [container],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "schedulerName": "default-scheduler",
            "securityContext": {},
        },
    }


def workload(service: Service, template: Json, cause: str) -> Json:
    """The Deployment or StatefulSet."""
    notes = {"kubernetes.io/change-cause": cause}
    if service.argocd:
        owned = f"{service.name}:apps/Deployment:{service.namespace}/{service.workload}"
        notes["argocd.argoproj.io/tracking-id"] = owned
    meta: Json = {
        "name": service.workload,
        "namespace": service.namespace,
        "labels": labels_of(service),
        "annotations": notes,
    }
    spec: Json = {
        "replicas": service.replicas,
        "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"app": service.name}},
        "template": template,
    }
    if service.kind == "Deployment":
        rolling = {"maxSurge": "25%", "maxUnavailable": "25%"}
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
        spec["progressDeadlineSeconds"] = 600
    else:
        spec["serviceName"] = service.name
        spec["podManagementPolicy"] = "OrderedReady"
        spec["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    return {"metadata": meta, "spec": spec, "status": {}}


def service_object(service: Service, number: int) -> Json:
    """The Service in front of the workload."""
    meta = {
        "name": service.name, "namespace": service.namespace, "labels": labels_of(service),
    }  # fmt: skip
    port = {"name": "main", "port": service.port, "targetPort": "main", "protocol": "TCP"}
    spec = {
        "selector": {"app": service.name},
        "ports": [port],
        "type": "ClusterIP",
        "clusterIP": f"10.96.3.{10 + number}",
        "sessionAffinity": "None",
    }
    return {"metadata": meta, "spec": spec, "status": {"loadBalancer": {}}}


def autoscaler(service: Service, bounds: Autoscaled) -> Json:
    """The HorizontalPodAutoscaler (v2)."""
    target = {"type": "Utilization", "averageUtilization": 75}
    return {
        "metadata": {"name": service.name, "namespace": service.namespace,
                     "labels": labels_of(service), "annotations": {}},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": service.workload,
            },
            "minReplicas": bounds.least,
            "maxReplicas": bounds.most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
        "status": {"currentReplicas": service.replicas, "desiredReplicas": service.replicas},
    }  # fmt: skip


def budget(service: Service, bounds: Budget) -> Json:
    """The PodDisruptionBudget."""
    selector = {"matchLabels": {"app": service.name}}
    least, most = bounds.min_available, bounds.max_unavailable
    kept: Json = {"maxUnavailable": most} if least is None else {"minAvailable": least}
    return {
        "metadata": {"name": service.name, "namespace": service.namespace},
        "spec": kept | {"selector": selector},
        "status": {},
    }


def postgres_cluster(service: Service, at: str) -> Json:
    """The CloudNativePG Cluster that owns the database instances."""
    first = f"{service.name}-0"
    return {
        "metadata": {"name": service.name, "namespace": service.namespace,
                     "labels": labels_of(service)},
        "spec": {
            "instances": service.replicas,
            "imageName": service.image,
            "primaryUpdateStrategy": "unsupervised",
            "storage": {"size": "200Gi"},
        },
        "status": {
            "phase": "Cluster in healthy state",
            "currentPrimary": first,
            "currentPrimaryTimestamp": at,
            "targetPrimary": first,
            "targetPrimaryTimestamp": at,
            "instances": service.replicas,
            "readyInstances": service.replicas,
        },
    }  # fmt: skip


def cron_job(job: CronJob, namespace: str) -> Json:
    """A CronJob of a namespace; people also run it at once."""
    container: Json = {
        "name": "clean-up",
        "image": job.image,
        "command": list(job.command),
    }
    labels = {"app": job.name, "team": job.team}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
    return {
        "metadata": {"name": job.name, "namespace": namespace, "labels": labels},
        "spec": {
            "schedule": job.schedule,
            "suspend": False,
            "concurrencyPolicy": "Forbid",
            "jobTemplate": {"spec": {"backoffLimit": 1, "template": template}},
        },
        "status": {},
    }


def node(name: str, address: str, at: str) -> Json:
    """A worker node in good health."""
    size = {"cpu": "32", "memory": "131072Mi", "pods": "110"}
    good = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
        "Ready": ("True", "KubeletReady"),
    }
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/zone": f"zone-{name[-1]}",
                "node-role.kubernetes.io/worker": "",
            },
            "annotations": {},
        },
        "spec": {"podCIDR": "10.244.0.0/24"},
        "status": {
            "capacity": size,
            "allocatable": size,
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": reason,
                 "lastHeartbeatTime": at, "lastTransitionTime": at}
                for kind, (status, reason) in good.items()
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.32.4", "kubeProxyVersion": "v1.32.4",
                "osImage": "Debian GNU/Linux 12 (bookworm)", "kernelVersion": "6.1.0-31-amd64",
                "containerRuntimeVersion": "containerd://1.7.27", "operatingSystem": "linux",
                "architecture": "amd64", "machineID": name, "bootID": name, "systemUUID": name,
            },
        },
    }  # fmt: skip
