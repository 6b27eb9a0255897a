"""Why an image was not pulled. The words are those of containerd, CRI-O and the registries."""

from __future__ import annotations

from tools.doctor.sign import Link
from tools.doctor.words import by_words, of_pods

_WAITING = (
    "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
    "ImageInspectError", "RegistryUnavailable", "SignatureValidationFailed",
)  # fmt: skip
_OF = of_pods(_WAITING, ("Failed", "InspectFailed", "ErrImageNeverPull", "Pulling"))
_BACK = ("deployment_rollback",)

ANALYSERS = (
    by_words(
        "registry-name-unknown", _OF,
        r"image.{0,600}(?:no such host|server misbehaving|temporary failure in name resolution)",
        "the registry's name, from which {subject} pulls, cannot be resolved",
        remedies=_BACK, settle="the host in the image's name, and DNS on the node", rank=0,
    ),
    by_words(
        "registry-certificate", _OF, r"image.{0,600}(?:x509:|tls: |certificate)",
        "the certificate of the registry that {subject} pulls from is not accepted",
        remedies=_BACK, settle="the registry's certificate and the node's trusted roots", rank=0,
    ),
    by_words(
        "registry-rate-limit", _OF,
            r"image.{0,600}(?:toomanyrequests|too "
            r"many requests|rate limit)",
        "the registry refuses {subject}: too many pulls",
        settle="who else pulls from this address", rank=0,
    ),
    by_words(
        "image-pull-denied", _OF,
            r"image.{0,800}(?:unauthorized|authentication required|denied|forbidden|"
            r"authorization failed|401|403)",
            "the registry wants credentials for the image of {subject}, and there are "
            "none that it takes",
        remedies=_BACK, settle="imagePullSecrets of the pod and its service account", rank=1,
    ),
    by_words(
        "image-not-found", _OF,
        r"image.{0,600}(?:not found|manifest unknown|NotFound|does not exist|name unknown)",
        "the image that {subject} names does not exist in the registry",
        remedies=_BACK, settle="name and tag against what was pushed", rank=2,
    ),
    by_words(
        "image-for-other-platform", _OF, r"image.{0,600}no match(?:ing manifest)? for",
        "the image of {subject} is not built for this node's platform",
        remedies=_BACK, settle="the image's platforms against the node's", rank=1,
    ),
    by_words(
        "image-name-invalid", _OF,
            r"InvalidImageName|couldn't parse "
            r"image|invalid reference format",
        "the image's name in {subject} is none", remedies=_BACK, settle="the image's name", rank=0,
    ),
    by_words(
        "image-never-pulled", _OF, r"ErrImageNeverPull|not present with pull policy of Never",
        "{subject} may not pull its image, and the node does not have it",
        remedies=_BACK, settle="imagePullPolicy", rank=0,
    ),
    by_words(
        "registry-unreachable", _OF,
            r"image.{0,600}(?:i/o timeout|connection refused|connection reset|"
            r"network is unreachable|no route to host|TLS handshake timeout|"
            r"deadline exceeded|Client\.Timeout|EOF$|50[0-9] )",
        "the registry that {subject} pulls from cannot be reached",
        settle="whether other nodes reach it, and the proxy between", rank=2,
    ),
    by_words(
        "image-not-pulled", of_pods(_WAITING, ()), r"(?P<reason>^\w+)",
        "the image of {subject} was not pulled", role=Link.CARRY, remedies=_BACK,
        settle="what the registry answered: the pod's events", rank=8,
    ),
)  # fmt: skip
