"""What a model writes is shown sentence by sentence, its untraced figures marked.

model's prose --split--> sentence --figures--> each in the cited evidence? --yes--> shown as it is
                                                                          --no--> shown, marked
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from bot.core.investigation.figures.index import NOBODY, FigureIndex
from bot.core.investigation.figures.sentence import Setting

# A full stop may stand inside the bold mark it ends; Chinese sentences follow without a blank.
_SENTENCE_END = re.compile(
    r"(?<=[.!?。！？])(?=\s)|(?<=[.!?。！？]\*\*)(?=[^*])|(?<=[。！？])(?=[^*\s。！？”」』）])|\n"
)
REMEMBERED = 400  # characters before a sentence, which may name of whom it speaks


class Release:
    """Releases prose sentence by sentence; `mark` is put behind a figure that nobody can trace.

    Each sentence is cleaned whole and before it is marked: a stream cuts anywhere, and a mark may
    stand anywhere, also in the middle of a secret.
    """

    def __init__(
        self,
        index: FigureIndex,
        mark: str,
        setting: Setting = NOBODY,
        clean: Callable[[str], str] = str,
    ) -> None:
        """Release against an index that may still grow; `clean` cuts what nobody may read."""
        self._index, self._mark, self._setting, self._clean = index, mark, setting, clean
        self._held = ""
        self._before = ""
        self.untraced: list[str] = []  # the figures nobody could trace, as they stand in the prose

    def push(self, text: str) -> Iterable[str]:
        """Add streamed prose; yield the sentences that are complete."""
        self._held += text
        ends = [m.end() for m in _SENTENCE_END.finditer(self._held)]
        if not ends:
            return []
        done, self._held = self._held[: ends[-1]], self._held[ends[-1] :]
        return [self._marked(sentence) for sentence in split_sentences(done)]

    def flush(self) -> Iterable[str]:
        """Yield what is left at the end of the prose."""
        rest, self._held = self._held, ""
        return [self._marked(sentence) for sentence in split_sentences(rest)]

    def _marked(self, raw: str) -> str:
        sentence = self._clean(raw)
        missing = self._index.untraced(sentence, self._before, self._setting)
        self._before = f"{self._before}{sentence}"[-REMEMBERED:]
        self.untraced += [each.text for each in missing]
        parts, start = [], 0
        for each in missing:
            parts.append(sentence[start : each.end] + self._mark)
            start = each.end
        return "".join(parts) + sentence[start:]


def split_sentences(text: str) -> list[str]:
    """Split prose into sentences; every character stays in exactly one of them."""
    cuts = [m.end() for m in _SENTENCE_END.finditer(text)]
    parts, start = [], 0
    for cut in [*cuts, len(text)]:
        if cut > start:
            parts.append(text[start:cut])
            start = cut
    return parts
