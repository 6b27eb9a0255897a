"""Postmortems: drafted from what happened, edited by people, found again after publishing."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.core.ports import Message
from bot.core.reports.postmortems import (
    PostmortemDesk,
    PostmortemError,
    PostmortemSources,
    read_actions,
)
from bot.domain.audit import Event
from bot.domain.ids import IncidentId, UserId
from bot.domain.incident import Incident, TimelineEntry, resolve
from bot.domain.place import Place
from bot.domain.plans.approval import Approved
from bot.domain.plans.plan_life import Succeeded
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import SqlStore
from knowledge.documents import read_folder
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import ALICE, MINUTE, NOW, PLACE, a_finding, a_record, an_incident
from tools.errors import NotFoundError
from tools.world import Change, ChangeKind

TOKEN = "xoxb-made-up-abcdefghij"


class Talk:
    """A channel's history from memory."""

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:
        said = "<@U0ALICE01> we restarted it, token " + TOKEN
        return [Message(NOW + 3 * MINUTE, "UBOB", said)]


async def a_story(store: SqlStore) -> Incident:
    incident = resolve(an_incident(), NOW + 20 * MINUTE)
    finding = replace(a_finding(), incident=incident.id, conclusion="It was the deploy [E1].")
    record = a_record()
    said = Approved(record.plan.id, record.plan.digest, (), NOW)
    record = record.to(Succeeded(said, "order_latency_p99 is back", NOW + 15 * MINUTE))
    async with store.begin() as tx:
        await tx.incidents.save(incident)
        entry = TimelineEntry(NOW - MINUTE, "order_latency_p99 0.9 s", "anomaly", ref="ANO-000001")
        await tx.incidents.note(incident.id, entry)
        await tx.findings.save(finding)
        await tx.plans.add(record)
        for minute, kind in ((5, "plan.proposed"), (8, "plan.approved"), (15, "plan.verified")):
            await tx.audit.append(Event(kind, NOW + minute * MINUTE, ALICE, record.plan.id))
        await tx.audit.append(Event("plan.approved", NOW + MINUTE, ALICE, "PLAN-other"))
    return incident


def a_desk(store: SqlStore, folder: Path, indexed: list[Path] | None = None) -> PostmortemDesk:
    async def index(path: Path) -> None:
        (indexed if indexed is not None else []).append(path)

    deploy = Change(
        NOW - 10 * MINUTE, ChangeKind.DEPLOY, "order-api", "order-api 2.14 → 2.15", source="webhook"
    )
    return PostmortemDesk(
        store=store,
        clock=FakeClock(NOW + timedelta(hours=1)),
        sources=PostmortemSources(FakeChanges([deploy]), Talk(), index),
        export_dir=folder,
        redactor=Redactor(),
        texts_of=lambda _: Texts("en"),
    )


async def test_a_draft_tells_the_story_in_order_with_time_and_source(
    store: SqlStore, tmp_path: Path
) -> None:
    incident = await a_story(store)
    report = await a_desk(store, tmp_path).draft(incident.id, ALICE)
    assert [line[11:16] for line in report.timeline] == sorted(
        line[11:16] for line in report.timeline
    )
    told = "\n".join(report.timeline)
    assert "2026-11-20 13:50 UTC · order-api 2.14 → 2.15 (change webhook)" in told
    assert "13:59 UTC · order_latency_p99 0.9 s (anomaly ANO-000001)" in told
    assert "14:08 UTC · a person approved: Roll back order-api (audit #2 PLAN-000001)" in told
    assert "PLAN-other" not in told
    assert "deploy 2.15.0 (order-api, 80% sure)" in report.root_cause
    assert "Roll back order-api (PLAN-000001): succeeded. order_latency_p99 is back" in (
        report.resolution
    )
    assert "for 21 minutes" in report.summary
    assert "It was the deploy" in report.summary


async def test_a_draft_names_no_person_and_holds_no_secret(store: SqlStore, tmp_path: Path) -> None:
    incident = await a_story(store)
    report = await a_desk(store, tmp_path).draft(incident.id, ALICE)
    told = "\n".join(report.timeline)
    assert "in the channel: “@… we restarted it" in told
    assert not any(name in told for name in ("UBOB", "U0ALICE01", ALICE, TOKEN))


async def test_asking_twice_shows_the_same_draft(store: SqlStore, tmp_path: Path) -> None:
    incident = await a_story(store)
    desk = a_desk(store, tmp_path)
    first = await desk.draft(incident.id, ALICE)
    await desk.edit(first.id, ALICE, {"summary": "Ours."})
    again = await desk.draft(incident.id, ALICE)
    assert (again.id, again.summary) == (first.id, "Ours.")
    async with store.begin() as tx:
        rows = await tx.outbox.of("postmortem", first.id)
        kinds = [r.event.kind for r in await tx.audit.tail(subject=first.id)]
    assert len(rows) == 1
    assert kinds == ["postmortem.drafted", "postmortem.edited"]


async def test_publishing_exports_a_document_that_the_knowledge_base_can_read(
    store: SqlStore, tmp_path: Path
) -> None:
    incident = await a_story(store)
    indexed: list[Path] = []
    desk = a_desk(store, tmp_path, indexed)
    draft = await desk.draft(incident.id, ALICE)
    await desk.edit(draft.id, ALICE, {"actions": "Test the pool | trading | 2026-12-01\n"})
    done = await desk.publish(draft.id, UserId("U0BOB"))
    again = await desk.publish(draft.id, ALICE)
    assert again.published_by == done.published_by == "U0BOB"
    path = tmp_path / "lessons-learned/postmortems/2026-11-20-order-latency.md"
    assert indexed == [path, path]
    (document,) = read_folder(tmp_path)
    assert (document.id, document.kind, document.date, document.services, document.severity) == (
        "pm-inc-2026-0001", "postmortem", "2026-11-20", ("order-api",), "P1",
    )  # fmt: skip
    assert "- [ ] Test the pool (trading, 2026-12-01)" in document.text
    assert done.root_cause in document.text


async def test_two_incidents_of_one_day_and_title_are_two_files(
    store: SqlStore, tmp_path: Path
) -> None:
    first = await a_story(store)
    second = replace(first, id=IncidentId("INC-2026-0002"))
    async with store.begin() as tx:
        await tx.incidents.save(second)
    desk = a_desk(store, tmp_path)
    for incident in (first, second):
        report = await desk.draft(incident.id, ALICE)
        await desk.publish(report.id, ALICE)
    assert len(read_folder(tmp_path)) == 2


async def test_a_published_report_is_no_longer_edited(store: SqlStore, tmp_path: Path) -> None:
    incident = await a_story(store)
    desk = a_desk(store, tmp_path)
    report = await desk.draft(incident.id, ALICE)
    with pytest.raises(PostmortemError, match="'sumary' is no section"):
        await desk.edit(report.id, ALICE, {"sumary": "…"})
    await desk.publish(report.id, ALICE)
    with pytest.raises(PostmortemError, match="is published"):
        await desk.edit(report.id, ALICE, {"summary": "…"})


def test_an_action_with_a_bad_date_says_how_one_looks() -> None:
    assert [a.owner for a in read_actions("- a | team\n\n* b")] == ["team", ""]
    with pytest.raises(PostmortemError, match="'next week' must look like 2026-12-01"):
        read_actions("a | team | next week")


async def test_an_unknown_incident_is_answered_with_one_sentence(
    store: SqlStore, tmp_path: Path
) -> None:
    desk = a_desk(store, tmp_path)
    with pytest.raises(NotFoundError, match="INC-2026-0099"):
        await desk.draft(IncidentId("INC-2026-0099"), ALICE, PLACE)
    incident = await a_story(store)
    assert await desk.find_incident(PLACE) == incident
    assert await desk.find_incident(PLACE, "inc-2026-0001") == incident
    with pytest.raises(NotFoundError):
        await desk.find_incident(PLACE, "INC-1")
