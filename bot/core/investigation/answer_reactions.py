"""How people react to an answer: they stop it while it is made, and say whether it helped."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.ports import Clock, Feedback, Store
from bot.domain.audit import Event
from bot.domain.ids import RunId, UserId
from bot.domain.secrets.redaction import Redactor


@dataclass(frozen=True, slots=True)
class AnswerReactions:
    """Keeps what people do with answers."""

    store: Store
    clock: Clock
    redactor: Redactor  # of what somebody types

    async def stop(self, run_id: RunId, user: UserId) -> bool:
        """Stop a run before its next step; False when it is over already."""
        async with self.store.begin() as tx:
            asked = await tx.runs.request_stop(run_id, self.clock.wall())
            if asked:
                await tx.audit.append(Event("answer.stop_asked", self.clock.now(), user, run_id))
        return asked

    async def rate(self, run_id: RunId, user: UserId, *, helpful: bool, why: str = "") -> None:
        """Keep 👍 or 👎, and why; a person's last word counts."""
        now, text = self.clock.now(), self.redactor.text(why.strip())
        facts = {"helpful": helpful}
        async with self.store.begin() as tx:
            await tx.feedback.save(Feedback(run_id, user, helpful, now, text))
            await tx.audit.append(
                Event("answer.rated", now, user, run_id, facts=facts, private=text)
            )
