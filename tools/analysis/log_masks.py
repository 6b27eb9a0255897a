r"""The variable parts of one log line masked by their looks, without knowing other lines.

    "took 12ms, peer=10.0.0.7:80 (2.1 KB)" --tokens--> took | 12ms, | peer=10.0.0.7:80 | (2.1 | KB)
       --holds a digit, path, URL--> took | <*>, | peer=<*> | (<*> | KB)
       --runs of wildcards, amounts--> took | <*> peer=<*>

A date inside a sentence is one wildcard whatever its words. Where writing has no blanks (Chinese,
Japanese, Thai) a token ends where digits or Latin letters begin; in JSON without blanks, behind
each member. Only tokens that hold a digit or a separator are looked at closely, and each token
once: the words of a log repeat, so a table of known tokens answers for most of them.
"""

from __future__ import annotations

import re

from tools.analysis.log_rules import RULES, WILDCARD, LogRules

MAX_TOKENS = 60  # the rest of a line does not tell groups apart
MAX_KNOWN = 50_000  # tokens in the table; it is emptied when full
OPENING, CLOSING = "([{<\"'`#", ")]}>\"'`,;:.!?"

_OPEN_ENDS = (WILDCARD, WILDCARD + ",")
_ONE_DIGIT = str.maketrans("123456789", "000000000")
_DIGIT = re.compile(r"\d")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_KEY = re.compile(  # key=value, key:value, "key":value; not scheme://
    r"[A-Za-z_][\w.\-]*(?:=|\"?:(?=[^/\\:]))"
)
_HOST = re.compile(r"[\w\-]+(?:\.[\w\-]+)+:\d+")  # a host with its port is no key with its value
_PATH = re.compile(r"(?:[A-Za-z]:)?[/\\]\S*|[a-z][a-z0-9+]*:/\S+")
_NAME = re.compile(r"[^\W_][\w.-]*")
_AFTER_NAME = frozenset({"unknown", "name", "not", "is", "request", "authentication"})
UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_STOPS = r"\u3001-\u3002\uff01\uff08-\uff09\uff0c\uff1a-\uff1b\uff1f"  # of full width
_JOINT = re.compile(
    rf"(?<=[{UNSPACED}])(?=[0-9A-Za-z])|(?<=[0-9A-Za-z%])(?=[{UNSPACED}])"
    rf"|(?<=[{_STOPS}])(?=[^\s{_STOPS}])|(?<=[^\s{_STOPS}])(?=[{_STOPS}])"
    r"|(?<=[\u3040-\u30ff])(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])(?=[\u3040-\u30ff])"
)
_UNIT = re.compile(
    r"(?:[KMGTP]i?)?B(?:ytes?)?|bytes?|ns|us|µs|ms|s|secs?|seconds?|msecs?|milliseconds?|minutes?"
    r"|mins?|hours?|days?|%|UTC|GMT",
    re.IGNORECASE,
)


class Masker:
    """Masks lines and remembers tokens; one per stream, for the table is its only state."""

    def __init__(self, rules: LogRules = RULES) -> None:
        """Start with an empty table."""
        self._rules = rules
        self._known: dict[str, tuple[str, int]] = {}  # by token, its digits all zero

    def mask(self, text: str) -> tuple[str, ...]:
        """Return the tokens of a line without its header, variable parts replaced by `<*>`."""
        if not text.isascii():
            text = _JOINT.sub(" ", text)
        if ',"' in text:
            text = text.replace(',"', ', "')
        tokens = text.split(None, MAX_TOKENS)[:MAX_TOKENS]
        if "[" in text and "," in text:
            tokens = _fold_lists(tokens)
        known = self._known
        kept: list[str] = []
        before = 0  # what the token before was good for
        for token in tokens:
            seen = known.get(token)
            if seen is None:  # digits never outlive the mask, so one zero stands for all of them
                shape = token.translate(_ONE_DIGIT)
                seen = known.get(shape) or self._look(shape)
            masked, is_good_for = seen
            if before & DATE and is_good_for & BARE:
                self._take_date(kept)
                before = OPEN
            if before and is_good_for & (BARE | UNIT | NAME):
                before = _join(kept, masked, before, is_good_for)
                continue
            kept.append(masked)
            before = is_good_for & (OPEN | NAMES | DATE)
        return tuple(kept)

    def _take_date(self, kept: list[str]) -> None:
        """Let the names of a day and a month at the end be a wildcard: Fri Jun 17, 17 Jun 2005."""
        while kept and kept[-1].rstrip(",") in self._rules.date_words:
            kept.pop()
        if not (kept and kept[-1].endswith(_OPEN_ENDS)):
            kept.append(WILDCARD)

    def _look(self, token: str) -> tuple[str, int]:
        masked = mask_token(token)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        seen = self._known[token] = (masked, _good_for(masked, self._rules))
        return seen


# What a token is good for, as bits.
OPEN = 1  # ends with a wildcard: an amount that may go on
BARE = 2  # nothing but a wildcard: goes on with the amount or list before it
UNIT = 4  # a unit behind an amount
NAMES = 8  # the next word names somebody
NAME = 16  # a word that could be a name
DATE = 32  # the name of a day or a month


def _good_for(masked: str, rules: LogRules) -> int:
    bits = 0
    if masked.endswith(_OPEN_ENDS):
        bits |= OPEN
    if masked[:3] == WILDCARD and len(masked) <= 4:
        bits |= BARE
    if _UNIT.fullmatch(masked.rstrip(CLOSING)):
        bits |= UNIT
    if masked in rules.naming:
        bits |= NAMES
    if _NAME.fullmatch(masked) and masked not in _AFTER_NAME:
        bits |= NAME
    if masked.rstrip(",") in rules.date_words:
        bits |= DATE
    return bits


def _join(kept: list[str], masked: str, before: int, bits: int) -> int:
    """Add a token that may belong to the one before; return what the last is then good for."""
    previous = kept[-1]
    if before & OPEN and bits & BARE:  # 1 2 3, or 1, 2, 3
        kept[-1] = previous.rstrip(",") + masked[3:]
        return OPEN if kept[-1].endswith(_OPEN_ENDS) else 0
    if before & OPEN and bits & UNIT and previous[-1] != ",":
        previous += masked[len(masked.rstrip(CLOSING)) :]
        if previous.startswith(f"({WILDCARD})") and len(kept) > 1 and kept[-2].endswith(WILDCARD):
            kept.pop()  # 2150 bytes (2.1 KB): the same amount once more
            previous = kept[-1] + previous[len(WILDCARD) + 2 :]
        kept[-1] = previous
        return OPEN if previous.endswith(_OPEN_ENDS) else 0
    if before & NAMES and bits & NAME:
        kept.append(WILDCARD)
        return 0
    kept.append(masked)
    return bits & (OPEN | NAMES | DATE)


def mask_token(token: str) -> str:
    """Return one token with its variable part replaced, its key and brackets kept."""
    if token.isalnum():
        return WILDCARD if _is_variable(token) else token
    core = token.lstrip(OPENING)
    opening = token[: len(token) - len(core)]
    bare = core.rstrip(CLOSING)
    closing = core[len(bare) :]
    if not bare:
        return token
    if opening == "<" and ">" not in closing:
        opening = ""  # <1 sec: a bound, not a bracket
    if "=" in bare or ":" in bare:
        key = _KEY.match(bare)
        if key and not _HOST.fullmatch(bare) and not _DIGIT.search(key[0]):
            value = bare[key.end() :]
            if value and _is_variable(value):
                quote = value[0] if value[0] in "\"'" else ""
                return f"{opening}{key[0]}{quote}{WILDCARD}{closing}"
            return token
    if _is_variable(bare):
        return f"{opening}{WILDCARD}{closing}"
    return token


def _is_variable(text: str) -> bool:
    return bool(_DIGIT.search(text) or _HEX.fullmatch(text) or _PATH.fullmatch(text))


def _fold_lists(tokens: list[str]) -> list[str]:
    """Replace a bracketed list over several tokens, [a, b, c], by one wildcard in brackets."""
    kept: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        end = at
        if token.endswith(",") and "[" in token and "]" not in token:
            end = next((i for i in range(at + 1, len(tokens)) if "]" in tokens[i]), at)
        if end > at and all(each.endswith(",") for each in tokens[at:end]):
            opening, closing = token[: token.index("[") + 1], tokens[end]
            token = opening + WILDCARD + closing[closing.index("]") :]
        else:
            end = at
        kept.append(token)
        at = end + 1
    return kept
