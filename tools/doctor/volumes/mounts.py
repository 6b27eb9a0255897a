"""Volumes that a pod waits for or may not use."""

from __future__ import annotations

from tools.doctor.sign import Link
from tools.doctor.words import by_words, of_pods

_OF = of_pods((), ("FailedMount", "FailedAttachVolume", "FailedMapVolume"))
_CONFIG = ("config_rollback", "deployment_rollback")

ANALYSERS = (
    by_words(
        "mounted-secret-missing", _OF, r'secret "(?P<name>[^"]+)" not found',
        "secret {name}, which {subject} mounts, does not exist", remedies=_CONFIG,
        settle="who makes this secret, and whether it ran", rank=0,
    ),
    by_words(
        "mounted-config-map-missing", _OF, r'configmap "(?P<name>[^"]+)" not found',
        "config map {name}, which {subject} mounts, does not exist", remedies=_CONFIG,
        settle="whether it was renamed or never made here", rank=0,
    ),
    by_words(
        "mounted-key-missing", _OF, r"references non-existent (?:config|secret) key: (?P<key>\S+)",
        "{subject} mounts the key {key}, which is not there", remedies=_CONFIG,
        settle="when the key left it", rank=0,
    ),
    by_words(
        "volume-held-elsewhere", _OF, r"multi-attach error",
        "the volume of {subject} is attached to another node",
        settle="the pod that holds it, and whether its node lives", rank=0,
    ),
    by_words(
        "mount-denied", _OF, r"permission denied|access denied|not authorized",
        "{subject} may not mount its volume", settle="the server's exports or the driver's role",
        rank=1,
    ),
    by_words(
        "path-not-there", _OF,
            r"hostPath type check failed|no such file or directory|"
            r"special device .{1,200} does not exist",
        "the path that {subject} mounts is not on the node", remedies=("deployment_rollback",),
        settle="the path on that node", rank=1,
    ),
    by_words(
        "volume-not-attached", _OF, r"(?P<what>AttachVolume|MountDevice|MapVolume)\S* failed",
        "the volume of {subject} cannot be attached", settle="the storage driver's log", rank=3,
    ),
    by_words(
        "volume-awaited", _OF,
            r"(?:unable to|timed out waiting to?) "
            r".{0,40}(?:attach or mount|mount volumes)",
        "{subject} waits for its volumes", role=Link.CARRY, settle="the volume's own state", rank=7,
    ),
)  # fmt: skip
