"""Labels of an alert as they are kept: without secrets, and none of them a book.

Whoever looks for an alert again cleans what it looks for in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.secrets.redaction import Redactor
from foundation.shortened import shortened

LONGEST_LABEL = 1_000  # characters; Prometheus' own limit, where one is set, is far below


def clean_labels(redactor: Redactor, labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels fit to be kept; a name such as `password` alone hides its value."""
    cut: dict[str, str] = redactor.json(dict(labels))
    return {
        shortened(name, LONGEST_LABEL): shortened(value, LONGEST_LABEL)
        for name, value in cut.items()
    }
