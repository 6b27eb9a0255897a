"""Go's regular expressions, said in Python's.

Prometheus matches with RE2. What Python spells differently is translated; what it has no word for,
or would read as something else, is refused by name. `.` matches no newline, as in Prometheus 2.
"""

import re

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_UNKNOWN_ESCAPES = "123456789pPQEkgCXRK"  # back references, Unicode classes, quoting, …
_REPEAT = re.compile(r"[*+?]|\{\d+(?:,\d*)?\}")
_GROUP = re.compile(r"\(\?(?:P<\w+>|[imsU]*(?:-[imsU]+)?[:)])")


def compile_regex(pattern: str) -> re.Pattern[str]:
    """Compile an RE2 pattern; re.error names what cannot be said."""
    return re.compile(_translated(pattern), re.ASCII)


def _translated(pattern: str) -> str:
    parts: list[str] = []
    at, repeated = 0, False
    while at < len(pattern):
        found = _REPEAT.match(pattern, at)
        if found is not None:
            word = found[0]
            at = found.end()
            if repeated and word != "?":
                _refuse("invalid nested repetition operator", word)
            lazy = pattern.startswith("?", at)
            parts.append(word + "?" * lazy)
            at += lazy
            repeated = True
            continue
        repeated = False
        word = _atom(pattern, at)
        at += len(word)
        parts.append(_said(word))
    return "".join(parts)


def _atom(pattern: str, at: int) -> str:
    """Return the escape, class, group opening or character that begins at `at`."""
    if pattern[at] == "\\":
        return pattern[at : at + 2]
    if pattern[at] == "[":
        return _class(pattern, at)
    if pattern.startswith("(?", at):
        found = _GROUP.match(pattern, at)
        if found is None:
            _refuse("invalid or unsupported Perl syntax", pattern[at : at + 4])
        else:
            return found[0]
    return pattern[at]


def _class(pattern: str, at: int) -> str:
    end = at + 1
    end += pattern.startswith("^", end)
    end += pattern.startswith("]", end)
    while end < len(pattern) and pattern[end] != "]":
        if pattern[end] == "\\":
            end += 2
        elif pattern.startswith("[:", end) and ":]" in pattern[end:]:
            end = pattern.index(":]", end) + 2
        else:
            end += 1
    if end >= len(pattern):
        _refuse("missing closing ]", pattern[at:])
    return pattern[at : end + 1]


def _said(word: str) -> str:
    """Return Python's word for one atom."""
    if word[0] == "\\":
        if word[1:] in _UNKNOWN_ESCAPES:
            _refuse("invalid escape sequence", word)
        return r"\Z" if word == r"\z" else word
    if word[0] == "[" and len(word) > 1:
        if "\\p" in word or "\\P" in word:
            _refuse("the sandbox knows no Unicode classes", word)
        inner = re.sub(r"\[:(\^?)(\w+):\]", _posix, word[1:])
        return "[" + inner.replace("[", r"\[").replace(r"\\[", r"\[")
    if word == "{":
        return r"\{"
    if word.startswith("(?") and "U" in word and "<" not in word:
        _refuse("the sandbox knows no flag U", word)
    return word


def _posix(found: re.Match[str]) -> str:
    if found[1] or found[2] not in _POSIX:
        _refuse("invalid character class range", found[0])
    return _POSIX[found[2]]


def _refuse(reason: str, culprit: str) -> None:
    msg = f"error parsing regexp: {reason}: `{culprit}`"
    raise re.error(msg)
