"""What a CloudNativePG instance tells through the API server's proxy: `/pg/status` on port 8000.

The log of the simulated database grows with time; a replica replays it at once, unless a test lets
it lag or stop streaming (`Cluster.replicas_behind`).
"""

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.engine import is_ready
from sandbox.kubernetes.requests import Call
from sandbox.kubernetes.resources import PG_CLUSTERS, PODS
from sandbox.kubernetes.status import ApiError, Json

PORT, PATH = "8000", ["pg", "status"]
BYTES_PER_SECOND = 4096  # of write-ahead log
CLUSTER_LABEL = "cnpg.io/cluster"


def instance_status(cluster: Cluster, call: Call, path: list[str]) -> Json:
    """Answer a proxied GET; `call.name` is `https:POD:8000`."""
    _, _, rest = call.name.rpartition("https:")
    name, _, port = rest.partition(":")
    pod = cluster.store.peek(PODS, call.namespace, name)
    group = (pod or {"metadata": {}})["metadata"].get("labels", {}).get(CLUSTER_LABEL)
    item = cluster.store.peek(PG_CLUSTERS, call.namespace, group) if group else None
    if pod is None or item is None or not is_ready(pod) or port != PORT or path != PATH:
        raise ApiError(503, "ServiceUnavailable", f"no endpoints available for {call.name!r}")
    end = int(cluster.now) * BYTES_PER_SECOND
    primary = item["status"]["currentPrimary"]
    if name != primary:
        behind = cluster.replicas_behind.get(name, 0)
        streams = behind is not None
        replayed = end - (behind or 0)
        return {"isPrimary": False, "isWalReceiverActive": streams, "replayLsn": _lsn(replayed)}
    rows = []
    for other in item["status"].get("instanceNames", ()):
        behind = cluster.replicas_behind.get(other, 0)
        if other != primary and behind is not None:
            rows.append({
                "applicationName": other, "state": "streaming", "syncState": "async",
                "replayLsn": _lsn(end - behind),
            })  # fmt: skip
    return {"isPrimary": True, "currentLsn": _lsn(end), "replicationInfo": rows}


def _lsn(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
