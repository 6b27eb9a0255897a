"""The form that asks why."""

from __future__ import annotations

from bot.locale import Texts
from bot.slack.blocks.text import Block, modal, text_input
from bot.slack.ids import FormId


def reason_form(form: FormId, carries: str, texts: Texts) -> Block:
    """Return the form that asks why: optional for a 👎, required for everything else."""
    optional = form is FormId.ANSWER_UNHELPFUL
    name = form.value.partition(".")[2]
    return modal(
        texts.say(f"slack.form.{name}_title"),
        [text_input("reason", texts.say(f"slack.form.{name}_label"), optional=optional)],
        close=texts.say("slack.close"),
        callback=form,
        submit=texts.say("slack.send"),
        carries=carries,
    )
