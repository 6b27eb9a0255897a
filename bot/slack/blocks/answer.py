"""What stands below an answer, the answer itself when it could not be streamed, its evidence."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bot.domain.answer import Answer, Evidence
from bot.domain.run import AgentRun, Done
from bot.locale import Texts
from bot.slack.blocks.markdown import markdown
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    DAY_AND_TIME,
    Block,
    actions,
    button,
    code,
    context,
    cut,
    date,
    escape,
    image,
    link,
    modal,
    prose,
    section,
)
from bot.slack.ids import ActionId
from tools.paging import Page

MOST_EVIDENCE = 40
MOST_FENCED = 2_900  # characters of one code block; a section holds 3,000


def footer(
    run_id: str, answer: Answer, texts: Texts, chart: tuple[str, str] | None = None
) -> list[Block]:
    """Return chart, small print and buttons."""
    usage = answer.usage
    usd = usage.usd_micros / 1e6
    small = texts.say(
        "slack.answer.footer",
        mode=texts.say(f"slack.mode.{answer.mode}"),
        seconds=f"{usage.seconds:.1f}",
        cost=f"${usd:.3f}" if usd else texts.say("slack.answer.free"),
        steps=usage.steps,
    )
    blocks = [image(*chart)] if chart else []
    buttons = [
        button(texts.say("slack.button.propose"), ActionId.ANSWER_PROPOSE, run_id),
        button(texts.say("slack.button.evidence"), ActionId.EVIDENCE_SHOW, run_id),
        button("👍", ActionId.ANSWER_HELPFUL, run_id),
        button("👎", ActionId.ANSWER_UNHELPFUL, run_id),
    ]
    if not answer.causes:
        buttons = buttons[1:]  # nothing is wrong, so there is nothing to fix
    if not answer.evidence:
        buttons = [b for b in buttons if b["action_id"] != ActionId.EVIDENCE_SHOW]
    return [*blocks, context(small), actions(*buttons, block_id=run_id)]


def stop_button(run_id: str, texts: Texts) -> Block:
    """Return the row that stands below an answer while it is made."""
    text = texts.say("slack.button.stop")
    return actions(button(text, ActionId.ANSWER_STOP, run_id), block_id=f"{run_id}-stop")


def render(run: AgentRun, texts: Texts, hosts: Collection[str] = ()) -> Rendered:
    """Return a finished run's answer as a message of its own."""
    if not isinstance(run, Done):
        lost = texts.say("slack.answer.lost", question=escape(cut(run.question.text, 300)))
        return Rendered(lost, [section(lost)])
    answer = run.answer
    blocks = [prose(markdown(answer.text, hosts))]
    return Rendered(
        escape(answer.conclusion or answer.text),
        [*blocks, *footer(run.id, answer, texts)],
        answer.chart,
        len(blocks),
    )


def evidence(
    found: Sequence[Evidence],
    texts: Texts,
    hosts: Collection[str],
    *,
    run_id: str = "",
    carries: str = "",
) -> Block:
    """Return the modal that lists what an answer stands on; `run_id` lets it be read in full."""

    def full(each: Evidence) -> dict[str, Block]:
        text, value = texts.say("slack.evidence.full"), f"{run_id}/{each.id}/1"
        return {"accessory": button(text, ActionId.EVIDENCE_OPEN, value)} if run_id else {}

    blocks = [section(_one(e, texts, hosts), **full(e)) for e in found[:MOST_EVIDENCE]]
    if len(found) > MOST_EVIDENCE:
        blocks.append(context(texts.say("slack.more", count=len(found) - MOST_EVIDENCE)))
    if not blocks:
        blocks = [section(texts.say("slack.evidence.none"))]
    title, close = texts.say("slack.evidence.title"), texts.say("slack.close")
    return modal(title, blocks, close=close, carries=carries)


def evidence_page(
    found: Evidence, page: Page, texts: Texts, run_id: str, carries: str = ""
) -> Block:
    """Return one page of the full result behind a piece of evidence, with the way on and back."""
    where = texts.say("slack.evidence.page", number=page.number)
    if page.number > 1:
        span = {"first": page.first, "last": page.last, "lines": page.lines}
        where = texts.say("slack.evidence.lines", number=page.number, **span)
    blocks = [section(f"*{found.id}* {code(found.tool)}"), *_fenced(page.text), context(where)]
    turns = []
    if page.number > 1:
        text, value = texts.say("slack.evidence.previous"), f"{run_id}/{found.id}/{page.number - 1}"
        turns.append(button(text, ActionId.EVIDENCE_PREVIOUS, value))
    if not page.is_last:
        text, value = texts.say("slack.evidence.next"), f"{run_id}/{found.id}/{page.number + 1}"
        turns.append(button(text, ActionId.EVIDENCE_NEXT, value))
    if turns:
        blocks.append(actions(*turns))
    title, close = f"{texts.say('slack.evidence.title')} {found.id}", texts.say("slack.close")
    return modal(title, blocks, close=close, carries=carries)


def _fenced(text: str) -> list[Block]:
    """Return foreign text as it is, in as many code blocks as it needs."""
    blocks, piece = [], ""
    for line in text.split("\n"):
        for start in range(0, max(1, len(line)), MOST_FENCED // 5):  # an escaped sign is five long
            part = escape(line[start : start + MOST_FENCED // 5]).replace("```", chr(39) * 3)
            if piece and len(piece) + len(part) + 1 > MOST_FENCED:
                blocks.append(section(f"```{piece}```"))
                piece = ""
            piece += f"\n{part}" if piece else part
    return [*blocks, section(f"```{piece or ' '}```")]


def _one(found: Evidence, texts: Texts, hosts: Collection[str]) -> str:
    given = ", ".join(f"{k}={v}" for k, v in found.arguments.items() if v not in ("", None))
    mark = "✗ " if found.failed else ""
    lines = [f"*{mark}{found.id}* {code(found.tool)} {code(cut(given, 300))}"]
    if found.window is not None:
        start, end = found.window.start, found.window.end
        lines.append(f"{date(start, DAY_AND_TIME)} – {date(end, DAY_AND_TIME)}")
    if found.query:
        lines.append(code(cut(found.query, 500)))
    if found.link:
        lines.append(link(found.link, texts.say("slack.evidence.open"), hosts))
    lines.append(f"```{escape(cut(found.summary, 900)).replace('```', chr(39) * 3)}```")
    return "\n".join(lines)
