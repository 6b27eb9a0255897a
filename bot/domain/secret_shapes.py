"""What secrets look like: the tokens of issuers, keys, addresses, headers, names and commands.

    text ──one pass over all shapes──> those that occur ──each──> spans to cut, with their kind

Every pattern is RE2's: linear in the text, whatever it says. The prefixes follow what issuers say
of their tokens (GitHub, GitLab, Slack, Stripe, the clouds, Vault, …: so that leaks are found),
names follow how programs write settings. `Shape.cut` names the group that goes; the rest stays
readable.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import re2


def anything(_: str) -> bool:
    """Take every match for a secret."""
    return True


@dataclass(frozen=True, slots=True)
class Shape:
    """One way in which a secret is written."""

    kind: str
    pattern: str
    cut: int = 0  # group that is cut; 0: all of it
    judge: Callable[[str], bool] = anything  # whether what the group holds is one


# --- what a name says ----------------------------------------------------------------------------

# What stands where a secret would, and is none: states, placeholders, references.
WORDS = frozenset({
    "true", "false", "null", "none", "nil", "undefined", "empty", "unset", "yes", "no",
    "on", "off", "ok", "required", "missing", "invalid", "expired", "incorrect", "wrong",
    "unknown", "denied", "failed", "failure", "disabled", "enabled", "changed", "reset",
    "rotated", "revoked", "accepted", "rejected", "redacted", "hidden", "masked",
    "sensitive", "omitted", "string", "value", "expected", "found", "not", "is", "was",
    "must", "should", "cannot", "for", "of", "the", "a", "an", "to", "in", "and", "or",
    "with", "without", "error", "errors", "错误", "已过期", "过期", "无效", "已更新", "已重置",
})  # fmt: skip
PLACEHOLDERS = ("${", "$(", "{{", "<", "%(", "(sensitive", "[redacted", "***", "xxxx", "....")
_EDGES = "\"'`\\ ,;"


def is_value(text: str) -> bool:
    """Say whether a text beside a telling name is a secret, and no state or placeholder."""
    bare = text.strip(_EDGES)
    if len(bare) < 4 or bare.startswith(PLACEHOLDERS) or set(bare) <= set("*x.•-_#"):
        return False
    return bare.lower().rstrip(".!:)") not in WORDS


def is_strong_value(text: str) -> bool:
    """Say so of a value beside a name that means other things as well: `pass`, `key`, `code`."""
    return is_value(text) and not text.startswith("/") and any(map(str.isalpha, text))


def is_opaque(text: str) -> bool:
    """Say whether a word is no word of a language: it holds digits, `=` or capitals inside."""
    inside = text[1:]
    return any(c.isdigit() or c in "=+/" for c in text) or (inside != inside.lower())


def is_mixed(text: str) -> bool:
    """Say whether a word that merely follows a telling one holds letters and digits, as few do."""
    return is_value(text) and any(map(str.isalpha, text)) and any(map(str.isdigit, text))


def is_bearer(text: str) -> bool:
    """Say whether what stands behind `bearer` is a token, and not what people write there."""
    return is_opaque(text) or not text.startswith(("authenti", "authori", "credential"))


def is_password_of_an_address(text: str) -> bool:
    """Say so of what stands between `//user:` and the last `@`: a port is none."""
    port, _, rest = text.partition("/")
    return not (port.isdigit() and len(port) <= 5 and bool(rest)) and not text.startswith("[red")


RANDOM_BITS = 4.4  # per letter
PUBLIC = ("sha256-", "sha384-", "sha512-", "AAAA")  # digests, and public keys of SSH


def is_random(text: str) -> bool:
    """Say whether a long run of letters and digits is drawn at random rather than written.

    Hexadecimal ones are checksums and ids of traces far more often than secrets, and stay.
    """
    if text.startswith(PUBLIC) or not (any(map(str.islower, text)) and any(map(str.isupper, text))):
        return False
    if sum(map(str.isdigit, text)) < 3:
        return False
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return bits >= RANDOM_BITS


STRONG_NAME = (
    r"[a-z0-9_.\-]*(?:passw(?:or)?d|passphrase|passcode|secret|api[_\-]?key|access[_\-]?key"
    r"|account[_\-]?key|secret[_\-]?key(?:[_\-]?base)?|private[_\-]?key|encryption[_\-]?key|signing[_\-]?key"
    r"|session[_\-]?key|shared[_\-]?access[_\-]?key|auth[_\-]?token|token|credentials?|mnemonic"
    r"|seed[_\- ]?phrase|recovery[_\- ]?phrase|session[_\-]?id|sessionid|connect\.sid"
    r"|x-amz-signature|masterauth|requirepass)"
)
WEAK_NAME = r"(?:[a-z0-9_.]*[_.])?(?:pass|pwd)"
HEADER_NAME = r"(?:proxy-)?authorization|(?:set-)?cookie"
CHINESE_NAME = r"(?:密码|口令|密钥|私钥|秘钥|令牌|助记词|凭证)"
_QUOTE = r"\\*[\"'`]?"
_SEPARATOR = r"\s*(?:=>|:=|[:=：]|\bis:)\s*"
_BARE = r"[^\s\"'`\\,;&<>}，。；、]{4,}"
_QUOTED = r"\"(?:[^\"\\\n]|\\.){4,}|'(?:[^'\\\n]|\\.){4,}"
_SEED = r"(?:[a-z]{3,8}[ \t]+){11,23}[a-z]{3,8}"


def _named(kind: str, name: str, judge: Callable[[str], bool]) -> Shape:
    value = rf"\\*(?:{_QUOTED}|{_QUOTE}{_BARE})"
    return Shape(kind, rf"(?i)(?:\b|_){name}{_QUOTE}{_SEPARATOR}({value})", 1, judge)


# --- the shapes ----------------------------------------------------------------------------------

_B = r"(?:\b|_)"  # where a token begins
KEYS = (
    Shape(
        "private key",
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ),
    Shape("private key", r"(?s)Private-Lines: \d+\s+(.*?)(?:Private-MAC|\z)", 1),
    Shape("private key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{40,}"),
    Shape("wallet key", r"\b[xyzt]prv[1-9A-HJ-NP-Za-km-z]{90,}"),
    Shape("wallet key", r"\b[5KLc][1-9A-HJ-NP-Za-km-z]{50,51}\b", 0, is_random),
)
ISSUED = (
    Shape(
        "slack webhook",
        r"hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/([A-Za-z0-9/]{20,})",
        1,
    ),
    Shape("slack token", r"\bx(?:ox[abeoprs]|app)[.\-][A-Za-z0-9.\-]{8,}"),
    Shape("github token", _B + r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})"),
    Shape("gitlab token", r"\bgl[a-z]{2,8}-[A-Za-z0-9_.\-]{16,}", 0, is_opaque),
    Shape("aws key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b"),
    Shape("google key", r"\b(?:AIza[0-9A-Za-z_\-]{30,}|ya29\.[0-9A-Za-z_\-.]{20,})"),
    Shape("google key", r"\b(?:GOCSPX-[0-9A-Za-z_\-]{20,}|1//0[0-9A-Za-z_\-]{30,})"),
    Shape("azure key", r"[A-Za-z0-9_~.\-]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,}"),
    Shape("cloud key", r"\b(?:LTAI[A-Za-z0-9]{12,24}|AKID[A-Za-z0-9]{28,40})\b"),
    Shape("vault token", r"\bhv[sbr]\.[A-Za-z0-9_\-]{20,}"),
    Shape("stripe key", r"\b(?:[srp]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}"),
    Shape("api key", r"\bsk-[A-Za-z0-9_\-]{16,}", 0, is_opaque),
    Shape("registry token", r"\b(?:npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_\-]{40,})"),
    Shape("registry token", r"\b(?:dckr_[a-z]{3}_[A-Za-z0-9_\-]{20,}|rubygems_[0-9a-f]{40,})"),
    Shape(
        "registry token", r"\b(?:oy2[a-z0-9]{43}|AKCp[A-Za-z0-9]{60,}|cmVmdGtuO[A-Za-z0-9]{50,})"
    ),
    Shape("mail key", r"\bSG\.[A-Za-z0-9_\-]{16,}\.[A-Za-z0-9_\-]{30,}"),
    Shape("mail key", r"\b(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\d{1,2}|xkeysib-[0-9a-f]{40,}-\w+)\b"),
    Shape("twilio key", r"\bSK[0-9a-f]{32}\b"),
    Shape("telegram token", r"\d{8,10}:AA[A-Za-z0-9_\-]{30,}"),
    Shape("discord token", r"\b[MNO][A-Za-z0-9]{22,26}\.[A-Za-z0-9_\-]{6}\.[A-Za-z0-9_\-]{27,}"),
    Shape("discord webhook", r"discord(?:app)?\.com/api/webhooks/\d+/([A-Za-z0-9_\-]{40,})", 1),
    Shape("teams webhook", r"webhook\.office\.com/webhookb?2?/([^\s\"']{40,})", 1),
    Shape("shop token", r"\b(?:shp[a-z]{2}_[0-9a-f]{32}|sq0[a-z]{3}-[A-Za-z0-9_\-]{20,})"),
    Shape("digitalocean token", r"\bdo[opr]_v1_[0-9a-f]{40,}"),
    Shape("monitoring key", r"\b(?:NR[A-Z]{2}-[A-Za-z0-9]{20,}|gl(?:sa|c)_[A-Za-z0-9+/_=]{20,})"),
    Shape(
        "monitoring key",
        r"\b(?:sntr[yu]s?_[A-Za-z0-9+/=_]{30,}|dt0c01\.[A-Z0-9]{20,}\.[A-Z0-9]{50,})",
    ),
    Shape("model hub token", r"\bhf_[A-Za-z0-9]{30,}"),
    Shape("databricks token", r"\bdapi[0-9a-f]{32}"),
    Shape("atlassian token", r"\bAT(?:ATT|CTT|SCT)3[A-Za-z0-9_\-=]{40,}"),
    Shape(
        "app token", r"\b(?:lin_api_[A-Za-z0-9]{30,}|ntn_[A-Za-z0-9]{30,}|figd_[A-Za-z0-9_\-]{30,})"
    ),
    Shape("app token", r"\b(?:PMAK-[0-9a-f]{20,}-[0-9a-f]{30,}|EAAA[A-Za-z0-9_\-]{50,})"),
    Shape("deploy token", r"\b(?:pul-[0-9a-f]{40}|pscale_[a-z]+_[A-Za-z0-9_\-.]{30,})"),
    Shape("deploy token", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_\-=]{50,}"),
    Shape(
        "deploy token", r"\b(?:dp\.[a-z]{2,5}\.[A-Za-z0-9]{38,}|FlyV1 fm\d_[A-Za-z0-9+/=,]{40,})"
    ),
    Shape("jwt", r"\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}(?:\.[A-Za-z0-9_\-]*)?"),
)
ADDRESSES = (
    Shape(
        "password",
        r"[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s:/@\"'<>]*:([^\s\"'<>,;]{3,})@",
        1,
        is_password_of_an_address,
    ),
)
HEADERS = (
    Shape(
        "authorization",
        r"(?i)\b(?:proxy-)?authorization"
        + _QUOTE
        + r"\s*[:=]\s*"
        + _QUOTE
        + r"((?:bearer|basic|token|apikey|bot)\s+[^\s\"'\\,;]{6,}|digest\s+[^\n]{8,}"
        r"|[^\s\"'\\,;]{16,})",
        1,
        is_opaque,
    ),
    Shape("authorization", r"(?i)\bbasic\s+([A-Za-z0-9+/._~=\-]{12,})", 1, is_opaque),
    Shape("authorization", r"(?i)\bbearer\s+([A-Za-z0-9+/._~=\-]{12,})", 1, is_bearer),
    Shape(
        "cookie",
        r"(?i)\b(?:set-)?cookie" + _QUOTE + r"\s*:\s*" + _QUOTE + r"([^\n\"'=]*=[^\n\"']{8,})",
        1,
    ),
)
COMMANDS = (
    Shape(
        "password",
        r"(?i)\b(?:curl|wget|http)\b[^\n]*?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']+:([^\s\"']{3,})",
        1,
    ),
    Shape(
        "secret",
        r"(?i)\s--(?:[a-z\-]*(?:password|passwd|token|secret|api-?key|access-?key))[ =]"
        r"([^\s\-][^\s]{3,})",
        1,
        is_value,
    ),
    Shape("password", r"\bmysql(?:dump|admin|import)?\b[^\n]*?\s-p([^\s]{4,})", 1),
    Shape("password", r"\bsshpass\s+-p\s*([^\s]{4,})", 1),
    Shape("password", r"\bredis-cli\b[^\n]*?\s-a\s+([^\s]{4,})", 1),
    Shape("password", r"\b(?:docker|podman|helm)\b[^\n]*?\blogin\b[^\n]*?\s-p\s+([^\s]{4,})", 1),
    Shape("password", r"\bpass:([^\s]{4,})", 1, is_strong_value),
    Shape("password", r"\bhtpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+([^\s]{4,})", 1),
    Shape("password", r"(?i)\b(?:requirepass|masterauth)\s+([^\s]{4,})", 1),
    Shape("password", r"(?i)\b(?:password|identified\s+by)\s+'([^'\n]{4,})'", 1, is_value),
)
NAMED = (
    Shape(
        "seed phrase",
        r"(?i)(?:mnemonic|(?:seed|recovery)[_ \-]?phrase)[^a-z\n]{1,6}(" + _SEED + ")", 1,
    ),
    Shape("seed phrase", r"助记词\s*[:：=是为]\s*(" + _SEED + ")", 1),
    Shape("secret", r"(?i)<(?:[a-z:]*(?:password|secret|token|apikey))>([^<\n]{4,})<", 1, is_value),
    Shape(
        "secret",
        r"(?i)(?:name|key)=[\"'][a-z0-9_.\-]*(?:password|secret|token|key)[\"']\s+"
        r"value=[\"']([^\"'\n]{4,})", 1, is_value,
    ),
    Shape(
        "secret",
        r"\bX-[A-Za-z\-]*(?:APIKEY|Api-?Key|Token|TOKEN)\s*[:=]\s*([^\s\"',;]{8,})", 1, is_value,
    ),
    _named("secret", STRONG_NAME, is_value),
    _named("secret", WEAK_NAME, is_strong_value),
    Shape("secret", r"(?i)\b(?:sig|auth)=([^\s\"'&;,]{8,})", 1, is_strong_value),
    Shape("secret", r"\"auth\\*\"\s*:\s*\\*\"([A-Za-z0-9+/]{12,}={0,2})", 1, is_opaque),  # Docker's
    Shape("secret", r"(?i)\blogin\s+\S+\s+password\s+(\S{4,})", 1),  # .netrc
    Shape("secret", r"(?i)\bpassword\s+([^\s\"',;:=]{6,})", 1, is_mixed),
    Shape("secret", rf"{CHINESE_NAME}{_QUOTE}\s*[:=：是为]\s*[“「]?([!-~]{{4,}})", 1, is_value),
    Shape("secret", rf"{CHINESE_NAME}\s+([!-~]{{4,}})", 1, is_mixed),
    Shape(  # without "/", which stands in paths; what is public is taken whole, and stays
        "random text",
        r"\b(?:(?:sha\d{3}-|AAAA)[A-Za-z0-9+/]+={0,2}|[A-Za-z0-9+_\-]{40,}={0,2})", 0, is_random,
    ),
)  # fmt: skip
SHAPES: tuple[Shape, ...] = (*KEYS, *ISSUED, *ADDRESSES, *HEADERS, *COMMANDS, *NAMED)


MEMORY = 1 << 26  # bytes for what the set learns of texts; with too few it would find nothing


@cache
def _compiled() -> tuple[re2.Set, Sequence[tuple[Shape, Any]]]:
    """Return all shapes as one set, which says in one pass which of them occur, and each."""
    options = re2.Options()
    options.max_mem = MEMORY
    every = re2.Set.SearchSet(options)
    for shape in SHAPES:
        every.Add(shape.pattern)
    every.Compile()
    return every, [(shape, re2.compile(shape.pattern)) for shape in SHAPES]


def occurring(text: str) -> Iterator[tuple[Shape, Any]]:
    """Yield the shapes that occur in a text, specific before general."""
    every, compiled = _compiled()
    for index in sorted(every.Match(text) or ()):
        yield compiled[index]


@cache
def _telling() -> tuple[tuple[Any, Callable[[str], bool]], ...]:
    strong = re2.compile(rf"(?i)(?:{STRONG_NAME}|{CHINESE_NAME})")
    weak = re2.compile(rf"(?i)(?:{WEAK_NAME})")
    headers = re2.compile(rf"(?i)(?:{HEADER_NAME})")
    docker = re2.compile("auth")
    return (
        (strong, is_value),
        (weak, is_strong_value),
        (headers, anything),
        (docker, lambda value: len(value) >= 12 and is_opaque(value)),
    )


def tells(name: str, value: str) -> bool:
    """Say whether a name alone says that its value is a secret, and the value may be one."""
    return any(known.fullmatch(name) and judge(value) for known, judge in _telling())
