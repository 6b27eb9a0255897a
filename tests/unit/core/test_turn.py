"""One agent run from question to answer, whatever is down; and who takes over a dead one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.core.investigation.answer_json import answer_to_json
from bot.core.investigation.desk import (
    LONGEST_QUESTION,
    ORPHANED_AFTER,
    AskedBeforeError,
)
from bot.core.ports import Budget, StepUpdate
from bot.domain.answer import Conclusion
from bot.domain.chart import ChartSpec
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId, RunId, Ts
from bot.domain.place import Place
from bot.domain.question import Question, Voice
from bot.domain.run import Done, Failed, Queued, Running, Stopped
from bot.store.store import SqlStore
from sandbox.model.script import Turn, text, thinking, tool_use
from sandbox.model.server import ModelServer, start_model
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.reply import KeptReply
from tests.fakes.workers import MortalWorkers
from tests.fixtures.nouns import NOW, a_finding
from tests.fixtures.office import (
    ALICE,
    BOB,
    CAROL,
    SECRET,
    THREAD,
    Office,
)
from tests.patience import PATIENCE
from tools.errors import BackendUnavailableError
from tools.world import Change, ChangeKind


def misdraw(_spec: ChartSpec) -> bytes:
    raise ValueError("Image size of 99999x9 pixels is too large")


@pytest.fixture
async def office(store: SqlStore) -> AsyncIterator[Office]:
    made = Office(store, FakeClock(), FakeMetrics(), FakeChanges())
    made.feed(0.18, 0.91)
    yield made
    if made.claude is not None:
        await made.claude.close()


@pytest.fixture
async def claude(office: Office) -> AsyncIterator[ModelServer]:
    office.model = await start_model("127.0.0.1", 0)
    yield office.model
    await office.model.close()


# ------------------------------------------------------------------------------- without Claude


async def test_without_claude_the_investigator_answers_with_evidence_and_a_chart(
    office: Office,
) -> None:
    answer, reply = await office.ask()
    assert answer.mode == "deterministic"
    assert answer.causes[0].service == "order-api"
    assert "910 ms" in answer.text
    assert {e.tool for e in answer.evidence} >= {"query_metric", "detect_anomalies"}
    assert reply.text == answer.text
    async with office.store.begin() as tx:
        png, alt = await tx.charts.get(answer.chart)
    assert png.startswith(b"png of order_latency_p99")
    assert "order-api" in alt


async def test_a_worker_that_dies_drawing_costs_the_chart_and_not_the_answer(
    office: Office,
) -> None:
    office.workers = MortalWorkers("draw")
    answer, reply = await office.ask()
    assert answer.causes[0].service == "order-api"
    assert answer.chart == ""
    assert "chart: worker processes died twice while running draw" in answer.gaps
    assert "chart: worker processes died twice" in reply.text


async def test_a_chart_that_cannot_be_drawn_is_a_gap_and_not_the_end_of_the_answer(
    office: Office,
) -> None:
    office.render = misdraw
    answer, _ = await office.ask()
    assert answer.causes[0].service == "order-api"
    assert "chart: failed unexpectedly (ValueError)" in answer.gaps


async def test_a_healthy_platform_blames_nobody(office: Office) -> None:
    office.feed(0.18, 0.18)
    answer, _ = await office.ask()
    assert answer.causes == ()
    assert answer.conclusion.startswith("Nothing is wrong")


async def test_each_tool_call_is_shown_as_it_begins_and_as_it_ends(office: Office) -> None:
    answer, reply = await office.ask()
    begun = [s.id for s in reply.steps if s.status == "in_progress"]
    ended = [s.id for s in reply.steps if s.status == "complete"]
    assert sorted(begun) == sorted(ended)
    assert len(begun) == len(answer.evidence)
    assert any("E1" in s.output for s in reply.steps)


async def test_the_run_its_evidence_and_its_audit_are_in_the_store(office: Office) -> None:
    answer, _ = await office.ask()
    async with office.store.begin() as tx:
        assert await tx.runs.running_in(THREAD) is None
        kept = [await tx.evidence.get(THREAD, e.id) for e in answer.evidence]
    assert [e.summary for e in kept] == [e.summary for e in answer.evidence]
    kinds = await office.audited()
    assert kinds.count("tool.called") == len(answer.evidence)
    assert {"question.asked", "answer.given"} <= set(kinds)


async def test_a_dead_backend_is_a_gap_that_is_named_and_not_an_error(office: Office) -> None:
    office.metrics.broken = BackendUnavailableError("prometheus", "connection refused")
    answer, _ = await office.ask()
    assert answer.causes == ()
    assert any("prometheus: connection refused" in gap for gap in answer.gaps)
    assert "connection refused" in answer.text
    assert answer.conclusion.startswith("I cannot tell")
    assert "Nothing is wrong" not in answer.text


async def test_what_is_not_configured_stands_among_the_gaps(office: Office) -> None:
    answer, _ = await office.ask()
    assert "loki: not configured (set LOKI_URL)" in answer.gaps


# ------------------------------------------------------------------------------- with Claude


def noted(cause: str, *evidence: str) -> dict[str, Any]:
    return {
        "cause": cause, "service": "order-api", "kind": "resource", "confidence": 0.7,
        "evidence": list(evidence),
    }  # fmt: skip


async def test_claude_reads_the_brief_calls_tools_and_its_answer_is_released(
    office: Office, claude: ModelServer
) -> None:
    claude.push([
        Turn([
            thinking("The brief shows the latency; what changed?"),
            tool_use("recent_changes", {"service": "order-api", "window": "3h"}),
        ]),
        Turn([
            text("**Order latency is 910 ms [E1].**\nConfidence: high"),
            tool_use("record_causes", {"causes": [noted("orders queue in the pool", "E2")]}),
        ]),
    ])  # fmt: skip
    answer, reply = await office.ask()
    assert answer.mode == "claude"
    assert answer.conclusion == "Order latency is 910 ms [E1]."
    assert [c.cause for c in answer.causes] == ["orders queue in the pool"]
    assert answer.confidence == pytest.approx(0.9)
    assert answer.usage.steps == 2  # what it concludes comes with the answer
    assert answer.usage.usd_micros > 0
    assert answer.chart
    assert reply.text.strip() == answer.text
    brief = claude.requests[0]["messages"][0]["content"][0]["text"]
    assert "why is order latency up?" in brief
    assert '<evidence id="E1"' in brief


async def test_an_invented_figure_is_marked_for_the_reader_and_told_in_json(
    office: Office, claude: ModelServer
) -> None:
    claude.push([Turn([text("**Latency is 910 ms [E1].** It will be 7777 ms soon. Stay calm.")])])
    answer, reply = await office.ask()
    assert "It will be 7777 ms (not in the evidence) soon. Stay calm." in answer.text
    assert reply.text.strip() == answer.text
    assert "910 ms [E1]" in answer.text
    assert answer.untraced == ("7777 ms",)
    assert answer_to_json(answer, None)["untraced"] == ["7777 ms"]


async def test_the_end_of_a_request_is_cached_and_what_goes_before_is_said_again_unchanged(
    office: Office, claude: ModelServer
) -> None:
    looks = [Turn([tool_use("recent_changes", {"window": f"{n}h"})]) for n in (1, 2, 3)]
    claude.push([*looks, Turn([text("**Order latency is 910 ms [E1].**")])])
    await office.ask()
    sent = [as_cached(each) for each in claude.requests]
    assert len(sent) == 4
    for before, after in pairwise(sent):
        assert after[: len(before)] == before  # all of it, the minute included
    for request in claude.requests:
        marked = [json.dumps(part) for part in parts(request) if "cache_control" in part]
        last = [request["tools"][-1], request["system"][-1], request["messages"][-1]["content"][-1]]
        assert marked == [json.dumps(part) for part in last]


def parts(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the blocks of a request in the order in which its prefix is read."""
    blocks = [block for message in request["messages"] for block in message["content"]]
    return [*request["tools"], *request["system"], *blocks]


def as_cached(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in part.items() if k != "cache_control"} for part in parts(request)]


async def test_two_questions_of_different_minutes_share_tools_and_system(
    office: Office, claude: ModelServer
) -> None:
    claude.push([Turn([text("**It is up [E1].**")]), Turn([text("**It still is.**")])])
    await office.ask()
    office.clock.advance(minutes=7)
    await office.ask("and now?")
    first, second = claude.requests
    assert (first["tools"], first["system"]) == (second["tools"], second["system"])
    assert "World time: 2026-11-20 14:07 UTC" in second["messages"][-1]["content"][0]["text"]


def a_deploy() -> Change:
    at = NOW - timedelta(minutes=16)
    return Change(at, ChangeKind.DEPLOY, "order-api", "2.14.0 rolls out", "2.13.0", "2.14.0")


async def test_no_cause_noted_means_healthy_and_the_answer_says_what_was_computed(
    office: Office, claude: ModelServer
) -> None:
    office.changes.changes.append(a_deploy())
    claude.push(
        [
            Turn([text("**Nothing is wrong.**"), tool_use("record_causes", {"causes": []})]),
        ]
    )
    answer, reply = await office.ask()
    assert answer.causes == ()
    assert answer.verdict is Conclusion.HEALTHY
    assert "Against the computed ranking, which has first: Deploy of order-api" in answer.text
    assert reply.text.strip() == answer.text


async def test_causes_that_cannot_be_read_are_told_to_claude_and_end_no_run(
    office: Office, claude: ModelServer
) -> None:
    claude.push([
        Turn([tool_use("record_causes", {"causes": "the pool"})]),
        Turn([text("**Order latency is 910 ms [E1].**")]),
    ])  # fmt: skip
    answer, _ = await office.ask()
    assert answer.mode == "claude"
    (result,) = claude.requests[1]["messages"][-1]["content"]
    assert result["is_error"]
    assert "causes: Input should be a valid list" in result["content"][0]["text"]


def proposing(playbook: str) -> Turn:
    given = {"playbook": playbook, "service": "order-api", "reason": "it is stuck [E2]"}
    return Turn([tool_use("propose_plan", given)])


async def test_an_answer_carries_the_first_plan_that_was_proposed_for_it(
    office: Office, claude: ModelServer
) -> None:
    last = Turn([text("**Order latency is 910 ms [E1].** Restart it.")])
    claude.push([proposing("nothing"), proposing("hpa-scale"), proposing("pod-restart"), last])
    answer, _ = await office.ask()
    assert answer.plan_id == "PLAN-1"
    (run,) = await office.runs()
    assert isinstance(run, Done)
    assert run.answer.plan_id == "PLAN-1"


async def test_a_plan_proposed_for_a_finding_stands_in_its_post(
    office: Office, claude: ModelServer
) -> None:
    claude.push([proposing("pod-restart"), Turn([text("**Order latency is 910 ms [E1].**")])])
    finding = a_finding()
    asked = Question("what is it?", THREAD, "detection", finding=finding.id)
    async with office.store.begin() as tx:
        await tx.findings.save(finding)
        await tx.runs.save(Queued(id=RunId("RUN-1"), question=asked, started_at=office.clock.now()))
    queue = office.queue(lambda _: KeptReply())
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await queue.idle()
    async with office.store.begin() as tx:
        told = await tx.findings.get(finding.id)
    assert (told.plan, told.conclusion) == ("PLAN-1", "**Order latency is 910 ms [E1].**")
    brief = claude.requests[0]["messages"][0]["content"][0]["text"]
    assert '<question from="the detector">' in brief


async def test_a_plan_is_not_forgotten_when_claude_goes_away_after_it(
    office: Office, claude: ModelServer
) -> None:
    def end_claude(step: StepUpdate) -> None:
        if step.title.startswith("Proposing") and step.status == "complete":
            claude.fail("overloaded", times=9, retry_after=0.01)

    claude.push([proposing("pod-restart")])
    desk, reply = office.desk(), KeptReply(end_claude)
    run = await desk.open(Question("why is order latency up?", THREAD, "mention", ALICE, "Alice"))
    assert run is not None
    async with asyncio.timeout(PATIENCE):
        answer = await desk.answer(run, reply)
    assert answer is not None
    assert (answer.mode, answer.plan_id) == ("deterministic", "PLAN-1")


async def test_of_a_question_as_long_as_a_book_the_beginning_is_asked(office: Office) -> None:
    book = "why is order latency up? " * LONGEST_QUESTION
    run = await office.desk().open(Question(book, THREAD, "mention", ALICE, "Alice"))
    assert run is not None
    assert len(run.question.text) == LONGEST_QUESTION
    assert run.question.text.endswith("…")


async def test_the_thread_is_remembered_for_the_next_question(
    office: Office, claude: ModelServer
) -> None:
    claude.push([Turn([text("It is the pool.")]), Turn([text("Since noon.")])])
    await office.ask()
    await office.ask("since when?")
    roles = [m["role"] for m in claude.requests[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert claude.requests[1]["messages"][1]["content"][0]["text"] == "It is the pool."


async def test_another_thread_knows_nothing_of_it(office: Office, claude: ModelServer) -> None:
    claude.push([Turn([text("It is the pool.")]), Turn([text("Hello.")])])
    await office.ask()
    await office.ask("since when?", Place(ChannelId("C2"), Ts("1.0")))
    assert [m["role"] for m in claude.requests[1]["messages"]] == ["user"]


@pytest.mark.parametrize("fault", ["overloaded", "cut"])
async def test_when_claude_is_down_the_investigator_answers_and_says_so(
    office: Office, claude: ModelServer, fault: str
) -> None:
    claude.fail(fault, times=9, retry_after=0.01)
    answer, _ = await office.ask()
    assert answer.mode == "deterministic"
    assert "910 ms" in answer.text
    assert any(gap.startswith("claude: Claude (Claude") for gap in answer.gaps)
    assert "the deterministic investigator answered" in answer.text


async def test_a_used_up_day_is_named_and_costs_nothing_more(
    office: Office, claude: ModelServer
) -> None:
    office.budget = Budget(usd_micros_per_person_day=1)
    claude.push([Turn([text("It is the pool.")])])
    first, _ = await office.ask()
    second, _ = await office.ask("since when?")
    assert first.mode == "claude"
    assert second.mode == "deterministic"
    assert any("this person today" in gap for gap in second.gaps)
    assert len(claude.requests) == 1


# ------------------------------------------------------------------------------- secrets


async def test_secrets_reach_neither_the_store_nor_the_model_nor_the_thread(
    office: Office, claude: ModelServer, tmp_path: Path
) -> None:
    office.feed(0.18, 0.91, service=f"password={SECRET}")
    claude.push([
        Turn([tool_use("recent_changes", {"service": f"token={SECRET}"})]),
        Turn([text(f"The password is {SECRET}. Latency is up.")]),
    ])  # fmt: skip
    answer, reply = await office.ask(f"why is order latency up? my password is {SECRET}")
    assert SECRET not in answer.text
    assert SECRET not in reply.text
    assert SECRET not in "".join(f"{s.title}{s.output}" for s in reply.steps)
    assert SECRET not in claude.raw_requests[0].decode()
    assert "[redacted" in claude.raw_requests[0].decode()
    results = [  # the model's own call comes back verbatim, as the API demands
        block
        for message in claude.requests[1]["messages"]
        if message["role"] == "user"
        for block in message["content"]
    ]
    assert SECRET not in json.dumps(results)
    async with office.store.begin() as tx:
        history = await tx.conversation.history(THREAD)
        rows = await tx.audit.tail(200)
        evidence = [await tx.evidence.get(THREAD, e.id) for e in answer.evidence]
    assert SECRET not in repr(history)
    assert SECRET not in repr(evidence)
    assert SECRET not in repr(rows)


# ------------------------------------------------------------------------------- one run a thread


async def test_a_second_question_waits_for_the_first_and_is_answered_after_it(
    office: Office,
) -> None:
    desk = office.desk()
    first = Question("why is order latency up?", THREAD, "mention", ALICE)
    run = await desk.open(first)
    assert run is not None
    assert await desk.open(replace(first, text="and since when?")) is None
    assert await desk.open(replace(first, text="is it the pool?")) is None
    replies: list[KeptReply] = []

    def reply_for(run: Running) -> KeptReply:
        replies.append(KeptReply())
        return replies[-1]

    queue = office.queue(reply_for)
    await queue.tick()
    assert replies == []  # the thread is still busy
    async with office.store.begin() as tx:
        assert len(await tx.runs.queued(THREAD)) == 2
    await desk.answer(run, KeptReply())
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await queue.idle()
    (reply,) = replies
    assert reply.answer is not None
    async with office.store.begin() as tx:
        assert await tx.runs.queued() == []
        assert await tx.runs.running_in(THREAD) is None
    assert (await office.audited()).count("question.queued") == 2


@pytest.mark.parametrize("died", ["before its conclusion", "before its plan"])
async def test_what_follows_from_a_findings_answer_is_done_though_the_process_died_over_it(
    office: Office, died: str
) -> None:
    finding, proposed = replace(a_finding(), conclusion="", plan=None), list[str]()
    question = Question("Why?", THREAD, "detection", finding=finding.id)
    async with office.store.begin() as tx:
        await tx.findings.save(finding)
        await tx.runs.save(Queued(id=RunId("RUN-1"), question=question, started_at=NOW))
    desk = office.desk()
    async with office.store.begin() as tx:
        (queued,) = await tx.runs.queued(trigger="detection")
        running = desk.start(queued)
        await tx.runs.save(running)
    answer = await desk.answer(running, KeptReply())  # given, and nothing has followed
    assert answer is not None

    async def propose(told: Finding) -> None:
        proposed.append(told.conclusion)

    queue = office.queue(lambda _: KeptReply(), propose)
    if died == "before its plan":
        async with office.store.begin() as tx:
            await tx.findings.save(replace(finding, conclusion=answer.text))
    for _ in range(3):  # whoever gave the answer has half a minute to go on
        await queue.tick()
        await queue.idle()
    assert proposed == []
    for _ in range(3):
        office.clock.advance(ORPHANED_AFTER)
        await queue.tick()
        await queue.idle()
    assert len(proposed) == 1
    async with office.store.begin() as tx:
        told = await tx.findings.get(finding.id)
    assert told.investigated


async def test_a_question_that_comes_twice_is_asked_once(office: Office) -> None:
    desk, again = office.desk(), Question("why?", THREAD, "mention", ALICE, "Alice")
    run = await desk.open(again, RunId("RUN-1"))
    assert run is not None
    assert await desk.open(again, RunId("RUN-2")) is None  # it waits
    for known in ("RUN-1", "RUN-2"):
        with pytest.raises(AskedBeforeError, match=known):
            await desk.open(again, RunId(known))
    await desk.answer(run, KeptReply())
    with pytest.raises(AskedBeforeError):
        await desk.open(again, RunId("RUN-1"))
    assert isinstance(await office.run("RUN-2"), Queued)
    asked = [kind for kind in await office.audited() if kind.startswith("question.")]
    assert sorted(asked) == ["question.asked", "question.queued"]


async def ask_while_busy(office: Office, claude: ModelServer, *waiting: Question) -> str:
    """Ask while Alice's question is answered; returns what Claude read of those that waited."""
    claude.push([Turn([text("It is the pool.")]), Turn([text("Since noon.")])])
    desk = office.desk()
    run = await desk.open(Question("why is order latency up?", THREAD, "mention", ALICE, "Alice"))
    assert run is not None
    for question in waiting:
        office.clock.advance(timedelta(seconds=1))  # they are read in the order they came
        assert await desk.open(question) is None
    await desk.answer(run, KeptReply())
    queue = office.queue(lambda _: KeptReply())
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await queue.idle()
    _, request = claude.requests
    system = request["system"]
    told = system if isinstance(system, str) else system[0]["text"]
    return f"{told}\n{request['messages'][-1]['content'][0]['text']}"


async def test_who_had_to_wait_is_asked_for_by_name_in_their_own_language(
    office: Office, claude: ModelServer
) -> None:
    voice = Voice("zh", "Asia/Shanghai")
    question = Question("and since when?", THREAD, "mention", BOB, "Bob Li", voice=voice)
    told = await ask_while_busy(office, claude, question)
    assert '<question from="Bob Li">\nand since when?\n</question>' in told
    assert "Answer in Chinese. Times are in Asia/Shanghai." in told
    assert "the detector" not in told.replace("or a detector found something", "")


async def test_questions_of_two_people_that_waited_name_both(
    office: Office, claude: ModelServer
) -> None:
    bob = Question("and since when?", THREAD, "mention", BOB, "Bob Li")
    carol = Question("is it the pool?", THREAD, "mention", CAROL, "Carol")
    told = await ask_while_busy(office, claude, bob, carol, replace(bob, text="sure?"))
    asked = "and since when?\nis it the pool?\nsure?"
    assert f'<question from="Bob Li, Carol">\n{asked}\n</question>' in told
    states = [type(run) for run in await office.runs()]
    assert sorted(s.__name__ for s in states) == ["Done", "Done", "Merged", "Merged"]


async def test_everybody_whose_questions_one_answer_answers_pays_a_share_of_it(
    office: Office, claude: ModelServer
) -> None:
    bob = Question("and since when?", THREAD, "mention", BOB, "Bob Li")
    carol = Question("is it the pool?", THREAD, "mention", CAROL, "Carol")
    await ask_while_busy(office, claude, bob, carol, replace(bob, text="sure?"))
    first = next(run for run in await office.runs() if run.asked_by == ALICE)
    assert isinstance(first, Done)
    since = office.clock.now() - timedelta(days=1)
    async with office.store.begin() as tx:
        paid = [(await tx.usage.spent(since, user)).usd_micros for user in (ALICE, BOB, CAROL)]
        whole = (await tx.usage.spent(since)).usd_micros
    assert paid[0] == first.answer.usage.usd_micros
    assert paid[1] == pytest.approx(2 * paid[2], abs=2)  # two questions and one
    assert sum(paid) == whole
    assert paid[2] > 0


async def test_who_has_used_up_their_day_is_answered_with_who_has_not(
    office: Office, claude: ModelServer
) -> None:
    office.budget = Budget(usd_micros_per_person_day=1)
    claude.push([Turn([text("It is the pool.")]), Turn([text("Since noon.")])])
    desk, reply = office.desk(), KeptReply()
    run = await desk.open(Question("why?", THREAD, "mention", ALICE, "Alice"))
    assert run is not None
    for who in (ALICE, BOB):  # Alice will have nothing left when these are answered
        office.clock.advance(timedelta(seconds=1))
        assert await desk.open(Question("since when?", THREAD, "mention", who, who)) is None
    await desk.answer(run, KeptReply())
    queue = office.queue(lambda _: reply)
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await queue.idle()
    assert reply.answer is not None
    assert reply.answer.mode == "claude"
    run = await desk.open(Question("sure?", THREAD, "mention", BOB, "Bob Li"))
    assert run is not None
    alone = await desk.answer(run, KeptReply())
    assert alone is not None
    assert alone.mode == "deterministic"  # his share of the answer was his day


async def test_a_merged_question_of_a_dead_process_still_names_everybody(
    office: Office, claude: ModelServer
) -> None:
    claude.push([Turn([text("Since noon.")])])
    office.owner = "dead:1"
    names = {BOB: "Bob Li", CAROL: "Carol"}
    asked = [Question(n, THREAD, "mention", who, n) for who, n in names.items()]
    waiting = [Queued(id=RunId(q.text), question=q, started_at=office.clock.now()) for q in asked]
    async with office.store.begin() as tx:
        for run in waiting:
            await tx.runs.save(run)
    never = asyncio.Event()

    class Stuck(KeptReply):
        async def step(self, update: StepUpdate) -> None:
            await never.wait()

    dead = office.queue(lambda _: Stuck())
    await dead.tick()
    await dead.drain()
    office.owner = "alive:2"
    office.clock.advance(ORPHANED_AFTER + timedelta(seconds=1))
    alive = office.queue(lambda _: KeptReply())
    await alive.tick()
    async with asyncio.timeout(PATIENCE):
        await alive.idle()
    assert 'from="Bob Li, Carol"' in claude.requests[0]["messages"][-1]["content"][0]["text"]


async def test_another_thread_does_not_wait(office: Office) -> None:
    desk = office.desk()
    question = Question("why is order latency up?", THREAD, "mention", ALICE)
    assert await desk.open(question) is not None
    other = replace(question, place=Place(ChannelId("C1"), Ts("2.0")))
    assert await desk.open(other) is not None


async def test_a_stop_ends_the_run_and_names_the_evidence_so_far(
    office: Office, claude: ModelServer
) -> None:
    desk = office.desk()
    question = Question("why is order latency up?", THREAD, "mention", ALICE)
    run = await desk.open(question)
    assert run is not None
    async with office.store.begin() as tx:
        assert await tx.runs.request_stop(run.id, office.clock.wall())
    reply = KeptReply()
    assert await desk.answer(run, reply) is None
    assert "Stopped" in reply.failure
    assert "E1" in reply.failure
    assert isinstance(await office.run(run.id), Stopped)
    assert claude.requests == []


async def test_an_unexpected_error_is_told_kept_and_raised(office: Office) -> None:
    def break_down(step: StepUpdate) -> None:
        raise LookupError(f"broken with {SECRET}")

    desk = office.desk()
    question = Question("why is order latency up?", THREAD, "mention", ALICE)
    run = await desk.open(question)
    assert run is not None
    reply = KeptReply(break_down)
    with pytest.raises(LookupError):
        await desk.answer(run, reply)
    assert "I could not finish this answer: LookupError" in reply.failure
    assert SECRET not in reply.failure
    assert isinstance(await office.run(run.id), Failed)
    assert await desk.open(question) is not None  # the thread is free again


# ------------------------------------------------------------------------------- a dead process


async def test_a_run_of_a_dead_process_is_taken_over_and_answered(office: Office) -> None:
    office.owner = "dead:1"
    run = await office.desk().open(Question("why is order latency up?", THREAD, "mention", ALICE))
    assert run is not None
    office.owner = "alive:2"
    reply = KeptReply()
    queue = office.queue(lambda _: reply)
    await queue.tick()
    await queue.idle()
    assert reply.answer is None  # its heart may still beat
    office.clock.advance(ORPHANED_AFTER + timedelta(seconds=1))
    office.feed(0.18, 0.91)
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await queue.idle()
    assert reply.answer is not None
    after = await office.run(run.id)
    assert isinstance(after, Done)
    assert after.owner == "alive:2"


async def test_two_processes_take_one_orphan_over_once(office: Office) -> None:
    office.owner = "dead:1"
    assert await office.desk().open(Question("why?", THREAD, "mention", ALICE)) is not None
    office.clock.advance(ORPHANED_AFTER + timedelta(seconds=1))
    replies: list[str] = []

    def reply_of(owner: str) -> Callable[[Running], KeptReply]:
        def make(run: Running) -> KeptReply:
            replies.append(owner)
            return KeptReply()

        return make

    queues = []
    for owner in ("a:1", "b:2"):
        office.owner = owner
        queues.append(office.queue(reply_of(owner)))
    await asyncio.gather(*(queue.tick() for queue in queues))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(queue.idle() for queue in queues))
    assert len(replies) == 1


async def test_a_shutdown_leaves_the_run_for_the_next_start(office: Office) -> None:
    begun = asyncio.Event()
    never = asyncio.Event()

    class Slow(KeptReply):
        async def step(self, update: StepUpdate) -> None:
            begun.set()
            await never.wait()

    desk = office.desk()
    question = Question("why is order latency up?", THREAD, "mention", ALICE)
    run = await desk.open(question)
    assert run is not None
    async with office.store.begin() as tx:
        await tx.runs.save(Queued(id=run.id, question=question, started_at=run.started_at))
    queue = office.queue(lambda _: Slow())
    await queue.tick()
    async with asyncio.timeout(PATIENCE):
        await begun.wait()
    await queue.drain()
    assert isinstance(await office.run(run.id), Running)
