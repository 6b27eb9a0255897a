"""What tools found, without the secrets in it: for what is kept beside the redacted evidence.

A tool's summary and payload are redacted where they become evidence. The typed value behind them
is not: a log line, a span's name or a change's text can reach a cause, and with it the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tools.world import Cause, Change, SimilarCase

Cut = Callable[[str], str]  # returns a text without secrets


def clean_cause(cause: Cause, cut: Cut) -> Cause:
    """Return a cause that anybody may read."""
    return replace(cause, cause=cut(cause.cause), reasons=tuple(map(cut, cause.reasons)))


def clean_change(change: Change, cut: Cut) -> Change:
    """Return a change that anybody may read."""
    return replace(
        change,
        summary=cut(change.summary),
        before=cut(change.before),
        after=cut(change.after),
        author=cut(change.author),
    )


def clean_case(case: SimilarCase, cut: Cut) -> SimilarCase:
    """Return a past case that anybody may read."""
    return replace(case, title=cut(case.title), snippet=cut(case.snippet))
