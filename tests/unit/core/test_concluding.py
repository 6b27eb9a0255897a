"""What a model's causes come to beside the computed ranking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.investigation.model.concluding import concluded
from bot.domain.answer import Conclusion
from tests.unit.core.test_five_verdicts import CAUSE, diagnosis
from tools.world import ServiceName

KNOWN = frozenset({"E1", "E2", "E3", "E4"})
PROVED = replace(CAUSE, proved=True)
TOLD = replace(PROVED, cause="the deploy of 2.14.0", confidence=0.8, proved=False)
OTHER = replace(TOLD, cause="the disk of the ledger", service=ServiceName("ledger"))


def test_a_model_that_tells_the_computed_cause_in_its_words_keeps_its_proof() -> None:
    found = concluded((TOLD,), diagnosis(PROVED), KNOWN)
    assert found.verdict is Conclusion.CAUSE
    (first,) = found.causes
    assert (first.cause, first.proved, first.confidence) == ("the deploy of 2.14.0", True, 0.8)
    assert found.note == ""


def test_another_cause_comes_first_only_by_a_fact_that_it_cites() -> None:
    cited = replace(OTHER, evidence=("E4",))
    found = concluded((cited,), diagnosis(PROVED), KNOWN)
    assert (found.causes[0].service, found.verdict) == ("ledger", Conclusion.SUSPECTS)
    assert (found.note, found.computed) == ("answer.overruled", PROVED)


@pytest.mark.parametrize("evidence", [(), ("E9",), ("E1",), ("the logs",)])
def test_without_a_fact_of_its_own_it_comes_after_what_was_computed(
    evidence: tuple[str, ...],
) -> None:
    found = concluded((replace(OTHER, evidence=evidence),), diagnosis(PROVED), KNOWN)
    assert [each.service for each in found.causes] == ["order-api", "ledger"]
    assert (found.verdict, found.note) == (Conclusion.CAUSE, "answer.not_overruled")


def test_an_empty_list_is_health_and_is_never_replaced() -> None:
    found = concluded((), diagnosis(PROVED), KNOWN)
    assert (found.causes, found.verdict) == ((), Conclusion.HEALTHY)
    assert found.note == "answer.overruled"


def test_an_empty_list_makes_nothing_healthy_that_could_not_be_looked_at() -> None:
    assert concluded((), diagnosis(missing=True), KNOWN).verdict is Conclusion.CANNOT_TELL


def test_who_notes_nothing_leaves_the_computed_ranking() -> None:
    found = concluded(None, diagnosis(PROVED), KNOWN)
    assert (found.causes, found.verdict, found.note) == ((PROVED,), Conclusion.CAUSE, "")


def test_what_nothing_was_computed_for_is_a_suspect() -> None:
    found = concluded((OTHER,), diagnosis(), KNOWN)
    assert (found.causes, found.verdict) == ((OTHER,), Conclusion.SUSPECTS)
