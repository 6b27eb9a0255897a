"""Containers that cannot be made: what they name is missing, or the image may not run like that.

Secrets are never read: that one is missing is what the kubelet says of it.
"""

from __future__ import annotations

from tools.doctor.sign import Link
from tools.doctor.words import by_words, of_pods

_WAITING = (
    "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError",
    "PreCreateHookError", "PostStartHookError",
)  # fmt: skip
_OF = of_pods(_WAITING, ("Failed",))
_CONFIG = ("config_rollback", "deployment_rollback")

ANALYSERS = (
    by_words(
        "secret-missing", _OF, r'secrets? "(?P<name>[^"]+)" not found',
        "secret {name}, which {subject} takes its environment from, does not exist",
        remedies=_CONFIG, settle="who makes this secret, and whether it ran", rank=0,
    ),
    by_words(
        "config-map-missing", _OF, r'configmaps? "(?P<name>[^"]+)" not found',
        "config map {name}, which {subject} takes its environment from, does not exist",
        remedies=_CONFIG, settle="whether it was renamed or never made here", rank=0,
    ),
    by_words(
        "key-missing", _OF,
            r"couldn't find key (?P<key>\S+) in "
            r"(?P<kind>ConfigMap|Secret) (?P<of>\S+)",
        "{kind} {of} lacks the key {key} that {subject} asks for",
        remedies=_CONFIG, settle="when the key left it", rank=0,
    ),
    by_words(
        "may-not-run-as-root", _OF, r"runAsNonRoot and image will run as root|must run as non-root",
        "the image of {subject} runs as root, which its security context forbids",
        remedies=("deployment_rollback",), settle="the image's user against the security context",
        rank=0,
    ),
    by_words(
        "command-missing", _OF,
            r"(?:executable file not found|exec: .{1,200}no "
            r"such file or directory)",
        "the command of {subject} is not in its image",
        remedies=("deployment_rollback",), settle="command and args against the image", rank=0,
    ),
    by_words(
        "hook-failed", _OF, r"(?:PostStartHook|PreCreateHook|preStop)\S*.{0,80}(?:fail|error)",
        "a lifecycle hook of {subject} fails",
        remedies=("deployment_rollback",), settle="the hook's own output", rank=1,
    ),
    by_words(
        "container-not-made", of_pods(_WAITING, ()), r"(?P<reason>^\w+)",
        "a container of {subject} cannot be made", role=Link.START,
        remedies=("deployment_rollback",), settle="the kubelet's words", rank=5,
    ),
)  # fmt: skip
