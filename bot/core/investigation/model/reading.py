"""The one door between evidence and the model: what of a tool's result it may read.

    evidence ──nothing is limited, or nobody limited is in it──> its summary, as people read it
             ──otherwise──> its payload, cut down member by member, and what was kept back

Evidence itself stays whole: people read it, the deterministic investigator judges by it. Whatever
the model reads of production passes `read`, the triage brief and pages of older evidence included.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import prompts
from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.model.computed import computed
from bot.core.investigation.model.figures_only import Reduced, reduced
from bot.core.investigation.model.limits import UNPLACED, Limits, strictest
from bot.core.investigation.model.mixing import mixes_series
from bot.core.investigation.recorder import for_model
from bot.core.ports import Store
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from bot.domain.place import Place
from bot.locale import Texts
from tools import paging, tokens
from tools.catalog import ALL
from tools.errors import NotFoundError
from tools.observe.evidence import read_evidence
from tools.observe.knowledge import get_time, service_map
from tools.observe.metrics import list_metrics, query_promql
from tools.world import Catalogue, ModelData

SHIPPED = frozenset(each.name for each in ALL)
NOBODYS = frozenset({get_time.name, list_metrics.name})  # they say nothing of production
NAMED_BY = {service_map.name: "name"}  # the key that names an item's service, where it is not usual
ON_PAGES = frozenset({"points", "votes"})  # left to the further pages: many, and seldom asked for
BRIEF_TOKENS = 2_500  # of the triage brief, marks and all
_AROUND = 60  # tokens of the marks around a piece of evidence, and of how to read it whole
SHOWN = 25  # items of one list
_ROOM = 300  # tokens kept free for the words around a result
_TOLD = {
    ModelData.FIGURES: "figures and names may be read, texts may not",
    ModelData.NOTHING: "nothing may be read",
}


@dataclass
class ModelReading:
    """What the model of one run reads, and what was kept from it."""

    limits: Limits
    store: Store
    place: Place
    own_words: Collection[EvidenceId] = ()  # failures that are told in words of ours
    kept: dict[str, ModelData] = field(default_factory=dict)  # by service

    async def brief(self, evidence: Sequence[Evidence], diagnosis: Diagnosis) -> str:
        """Return the triage brief as the model may read it, within `BRIEF_TOKENS`.

        The investigator looks closely at what is abnormal, so that it looked at all says
        something: what it asked about a closed service is left out, and told to people. A cause
        goes with what it rests on: it is told only where all of its evidence is.
        """
        told, whole = list[Evidence](), set[EvidenceId]()
        for each in evidence:
            if closed := self._closed(each):
                self._told(dict.fromkeys(closed, ModelData.NOTHING))
                continue
            shown = await self._seen(each)
            told.append(shown)
            if shown.summary == each.summary:
                whole.add(each.id)
        head = computed(diagnosis, whole)
        left = BRIEF_TOKENS - tokens.estimate(head) - _AROUND * len(told)
        sizes = [tokens.estimate(shown.summary) for shown in told]
        parts = zip(told, tokens.shares(sizes, max(left, 0)), strict=True)
        return "\n".join([head, *(for_model(_briefly(shown, share)) for shown, share in parts)])

    async def read(self, evidence: Evidence) -> str:
        """Return a piece of evidence as the model may read it."""
        return for_model(await self._seen(evidence))

    async def _seen(self, evidence: Evidence) -> Evidence:
        """Return a piece of evidence with what the model may read of it as its summary."""
        if self.limits.none or evidence.tool in NOBODYS:
            return evidence
        if evidence.failed:
            return self._failed(evidence)
        if evidence.tool == read_evidence.name:
            return await self._page(evidence)
        found = await asyncio.to_thread(self._reduced, evidence)
        return evidence if found.level is ModelData.ALL else self._shown(evidence, found)

    def unavailable(self, gaps: Mapping[str, str]) -> Mapping[str, str]:
        """Return what is down as the model may hear it: a backend's own words may quote anybody."""
        return gaps if self.limits.none else dict.fromkeys(gaps, "not available")

    # ------------------------------------------------------------------ what is left of it

    def _closed(self, evidence: Evidence) -> list[str]:
        """Return the closed services that the arguments of a call name."""
        said = " ".join(map(str, evidence.arguments.values())).lower()
        closed = (n for n, lv in self.limits.by_service().items() if lv is ModelData.NOTHING)
        return [name for name in closed if name.partition("@")[0].lower() in said]

    def _asked(self, evidence: Evidence) -> ModelData | None:
        """Return what the service allows that a call was about, None when it was about none."""
        named = str(evidence.arguments.get("service") or "")
        return self.limits.of_service(named) if named.strip() else None

    def _reduced(self, evidence: Evidence) -> Reduced:
        asked = self._asked(evidence)
        if asked is ModelData.NOTHING:
            return Reduced(None, asked, self._whose(str(evidence.arguments["service"])))
        limits = self.limits
        if evidence.tool == query_promql.name and mixes_series(evidence.query):
            limits = Limits(Catalogue({}, {}, model_data=limits.unplaced))  # nobody's, whose label
        return reduced(evidence.payload, limits, asked, NAMED_BY.get(evidence.tool, ""))

    def _whose(self, name: str) -> dict[str, ModelData]:
        found = {s.name: s.model_data for s in self.limits.named(name)}
        return {n: level for n, level in found.items() if level is not ModelData.ALL} or {
            UNPLACED: self.limits.unplaced
        }

    def _shown(self, evidence: Evidence, found: Reduced) -> Evidence:
        told = self._told(found.kept)
        lines = paging.lines_of(_brief(found.value)) if found.value else []
        if not lines:
            text = prompts.render("not_for_you", kept=told, evidence=evidence.id).strip()
            return replace(evidence, summary=text, rest="", payload=None)
        head = f"{evidence.tool}({_arguments(evidence.arguments)})"
        text, rest = tokens.fit("\n".join([head, *lines]), tokens.MOST_TOKENS - _ROOM)
        rest = rest or ("more" if _brief(found.value) != found.value else "")
        note = prompts.render("kept_back", kept=told, evidence=evidence.id).strip()
        return replace(evidence, summary=f"{text}\n{note}", rest=rest, payload=None)

    def _told(self, kept: Mapping[str, ModelData]) -> str:
        """Say whose data was kept back, and remember it for the answer."""
        for name, level in kept.items():
            self.kept[name] = strictest([level, self.kept.get(name, level)])
        return "; ".join(
            f"{'of what belongs to no known service' if name == UNPLACED else f'of {name}'} "
            f"{_TOLD[level]}"
            for name, level in sorted(kept.items())
        )

    def _failed(self, evidence: Evidence) -> Evidence:
        """Return a failure. Words of a backend, or of a team's own tool, may quote anybody.

        Our own words are about the question alone; about a closed service even they are kept. A
        backend that is asked about an open service may quote another, which may be closed.
        """
        asked = self._asked(evidence)
        named = self.limits.named(str(evidence.arguments.get("service") or ""))
        closed = bool(named) and self.limits.of(named) is ModelData.NOTHING
        ours = evidence.id in self.own_words and evidence.tool in SHIPPED and not closed
        if ours or (asked is ModelData.ALL and not self.limits.by_service()):
            return evidence
        text = f"{evidence.tool} failed; the words of the failure are kept from you"
        return replace(evidence, summary=text, rest="", payload=None)

    # ------------------------------------------------------------------ further pages

    async def _page(self, turned: Evidence) -> Evidence:
        """Return the page that was asked for, of what the model may read of that evidence."""
        wanted = str(turned.arguments.get("evidence_id", "")).strip().upper()
        number = int(turned.arguments.get("page", 2))
        try:
            async with self.store.begin() as tx:
                original = await tx.evidence.get(self.place, EvidenceId(wanted))
        except NotFoundError as error:
            return replace(turned, summary=str(error), rest="")
        if original.tool in NOBODYS:
            return turned
        found = await asyncio.to_thread(self._reduced, original)
        if found.level is ModelData.ALL:
            return turned
        first = self._shown(original, found).summary
        if not found.value:
            return replace(turned, summary=first, rest="")
        page = await asyncio.to_thread(paging.page_of, first, "", found.value, number)
        if page is None:
            return replace(turned, summary=f"{wanted} has no page {number}", rest="")
        end = "the last page" if page.is_last else f"next is page {page.number + 1}"
        return replace(turned, summary=f"{wanted}, page {page.number}; {end}\n{page.text}", rest="")


def _briefly(evidence: Evidence, most: int) -> Evidence:
    """Return evidence with its first lines alone, and how to read it whole."""
    kept, rest = tokens.fit(evidence.summary, most)
    if not rest:
        return evidence
    more = f'(whole: read_evidence(evidence_id="{evidence.id}", page=1))'
    return replace(evidence, summary=f"{kept}\n{more}", rest="")


def told_kept(kept: Mapping[str, ModelData], texts: Texts) -> str:
    """Say to people whose data was kept from the model, those nobody can place last."""
    told = [
        texts.say(
            f"gap.model_data_{level.value}",
            service=texts.say("gap.model_data_unplaced") if name == UNPLACED else name,
        )
        for name, level in sorted(kept.items(), key=lambda each: (each[0] == UNPLACED, each[0]))
    ]
    return texts.say("gap.model_data", kept=", ".join(told))


def _brief(value: Any) -> Any:
    """Return a result without what only its further pages tell; what is cut is counted."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, member in value.items():
            if key in ON_PAGES:
                continue
            found[key] = _brief(member)
            if isinstance(member, list) and len(member) > SHOWN:
                found[f"more {key}"] = f"{len(member) - SHOWN}, on the next pages"
        return found
    if isinstance(value, list | tuple):
        return [_brief(each) for each in value[:SHOWN]]
    return value


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{key}={value}" for key, value in arguments.items() if value not in ("", None)
    )
