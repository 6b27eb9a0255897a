"""Pods that may not be made, by what the API server answered to their controller."""

from __future__ import annotations

from tools.doctor.sign import Link
from tools.doctor.words import by_words, of_makers

_OF = of_makers("FailedCreate", "FailedCreatePod")
_BACK = ("deployment_rollback",)

ANALYSERS = (
    by_words(
        "service-account-missing", _OF, r'serviceaccount "(?P<name>[^"]+)" not found',
        "service account {name}, which {subject} names, does not exist",
        remedies=_BACK, settle="serviceAccountName of the template against the accounts there are",
        rank=0,
    ),
    by_words(
        "above-limit-range", _OF,
            r"(?P<what>(?:maximum|minimum) \S+ usage per \S+ is [^,]+, but[^.]*|(?:cpu|"
            r"memory) max limit to request ratio[^,]*)",
        "{subject} is outside of the namespace's limit range ({what})",
        remedies=_BACK, settle="the limit range and the container's resources", rank=0,
    ),
    by_words(
        "pod-security", _OF,
            r"violates PodSecurity|unable to validate against any (?:pod security|"
            r"security context)",
        "{subject} asks for what the namespace's security standard forbids",
        remedies=_BACK, settle="the fields that the message names", rank=0,
    ),
    by_words(
        "webhook-down", _OF, r'failed calling webhook "(?P<name>[^"]+)"',
        "admission webhook {name} does not answer, so no pod of {subject} is let in",
        settle="the pods behind the webhook's Service", rank=0,
    ),
    by_words(
        "webhook-denied", _OF, r'admission webhook "(?P<name>[^"]+)" denied',
        "admission webhook {name} refuses the pods of {subject}",
        remedies=_BACK, settle="the policy that its message names", rank=0,
    ),
    by_words(
        "namespace-ending", _OF,
            r"namespace \S+ is being terminated|because "
            r"it is being terminated",
        "the namespace of {subject} is being deleted", settle="who deleted it", rank=0,
    ),
    by_words(
        "pods-invalid", _OF, r"is invalid: (?P<what>[^,]{1,200})",
        "the pods of {subject} are not valid ({what})", remedies=_BACK,
        settle="the field that the message names", rank=1,
    ),
    by_words(
        "pods-not-made", _OF, r"(?P<what>forbidden|error creating)",
        "no pods can be made for {subject}", role=Link.CARRY,
        settle="what the API server answered", rank=8,
    ),
)  # fmt: skip
