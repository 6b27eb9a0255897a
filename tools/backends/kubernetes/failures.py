"""What the failures of a Kubernetes API mean.

401, 403           BackendDeniedError with verb, resource and the missing RBAC rule
404                GoneError
409, 422 "test"    LostRaceError               (the object is not as it was read)
429                TryLaterError               (rate limit, disruption budget: named)
other 4xx          BackendRefusedError
3xx                BackendRefusedError         (nobody sends us on to somebody else)
too large          AnswerTooLargeError, of a sent change OutcomeUnknownError
another object     as no answer                (acting identity only: see `answers`)
5xx, no answer     reads and dry runs: BackendUnavailableError
                   sent changes: OutcomeUnknownError, never repeated
never connected    BackendUnavailableError
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import aiohttp

from foundation.json_text import read_json
from foundation.shortened import shortened
from tools.backends.kubernetes.calls import KubernetesCall
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.kinds import rbac_rule
from tools.errors import (
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    GoneError,
    LostRaceError,
    OutcomeUnknownError,
    TryLaterError,
)

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Failures:
    """Tells what failed in the words of one identity's connection."""

    name: str  # of the backend
    whereabouts: str  # the setting that says where the API server is and who we are

    def unanswered(self, call: KubernetesCall, why: str) -> Exception:
        """Return what no answer means, or one that proves nothing."""
        if call.changes:
            return OutcomeUnknownError(
                f"{call} was sent and not answered ({why}); look at the object before doing "
                "anything again"
            )
        return BackendUnavailableError(self.name, f"{call}: {why}")

    def unreached(self, error: Exception) -> str:
        """Return why no connection came about, and what to look at."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return (
                f"the server's certificate is not trusted ({error}); a proxy may be breaking TLS "
                "open: put its authority into certificate-authority of the kubeconfig"
            )
        return (
            f"cannot be reached: {error}; check that the API server runs and that the address in "
            f"the kubeconfig is right ({self.whereabouts})"
        )

    def sent_on(self, call: KubernetesCall, to: str) -> Exception:
        """Return what a redirect means."""
        return BackendRefusedError(
            self.name,
            f"{call}: {self.whereabouts} sends us on to {to!r}, which we do not follow; name the "
            "API server itself",
        )

    def of_status(
        self, call: KubernetesCall, status: int, raw: bytes, retry_after: str = ""
    ) -> Exception:
        """Return what an answer that is no success means."""
        answer = object_of(raw)
        text = str(answer.get("message") or shortened(raw, 300))
        reason = str(answer.get("reason", ""))
        if status == 401:
            return BackendDeniedError(
                self.name,
                f"{call}: the identity is not accepted ({text}); its token has expired or is "
                f"wrong: renew it ({self.whereabouts})",
            )
        if status == 403:
            rule = rbac_rule(call.verb, call.resource, call.ref.namespace, call.subresource)
            return BackendDeniedError(
                self.name, f"{call} is denied ({text}); it needs the rule {rule}"
            )
        if status == 404:
            return GoneError(f"{self.name}: {call}: {text}")
        if status == 409 or (status == 422 and call.verb == "patch" and _is_failed_test(text)):
            return LostRaceError(f"{call}: the object changed meanwhile: {text}")
        if status == 429:
            wait = f"; ask again in {retry_after} s" if retry_after else ""
            return TryLaterError(self.name, f"{call}: {_with_causes(text, answer)}{wait}")
        if status < 500:
            return BackendRefusedError(self.name, f"{call}: {reason or status}: {text}")
        return self.unanswered(call, f"HTTP {status}: {text}")


def whereabouts_of(config: KubernetesConfig, *, acting: bool) -> str:
    """Name the file that says where the API server is and who we are."""
    file = config.kubeconfig_act if acting else config.kubeconfig
    setting = config.setting_act if acting else config.setting
    return f"{setting}: {file!r}" if file else "the pod's service account"


def object_of(raw: bytes) -> Object:
    """Return the object of an answer, an empty one for what is none."""
    try:
        value = read_json(raw) if raw else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _is_failed_test(text: str) -> bool:
    """Tell a failed `test` operation from a change that validation refuses; both are 422."""
    return "is invalid" not in text.lower()


def _with_causes(text: str, answer: Object) -> str:
    """Add what a Status names as causes: which disruption budget holds a pod."""
    causes = (answer.get("details") or {}).get("causes") or ()
    told = [str(each.get("message", "")) for each in causes]
    return " ".join([text, *(each for each in told if each)])
