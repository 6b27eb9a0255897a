"""What secrets look like: the tokens of issuers, keys, addresses, headers, names and commands.

    text ──one pass over all shapes──> those that occur ──each──> spans to cut, with their kind

Every pattern is RE2's: linear in the text, whatever it says. What says itself what it is stands in
`issued_secrets.py`; here is what its place gives away. Names follow how programs write settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import re2

from bot.domain.secrets.issued_secrets import ISSUED, KEYS
from bot.domain.secrets.secret_values import (
    Shape,
    anything,
    is_authorization,
    is_bearer,
    is_key,
    is_login,
    is_loud,
    is_mixed,
    is_no_object,
    is_no_port,
    is_opaque,
    is_password_of_an_address,
    is_random,
    is_said,
    is_strong_value,
    is_value,
)
from foundation.encodings import base64_patterns_of

# --- what a name says ----------------------------------------------------------------------------

STRONG_NAME = (
    r"[a-z0-9_.\-]*(?:passw(?:or)?d|passphrase|passcode|api[_\-]?key|access[_\-]?key"
    r"|account[_\-]?key|secret[_\-]?key(?:[_\-]?base)?|private[_\-]?key|encryption[_\-]?key|signing[_\-]?key"
    r"|session[_\-]?key|shared[_\-]?access[_\-]?key|auth[_\-]?token|token|credentials?|mnemonic"
    r"|seed[_\- ]?phrase|recovery[_\- ]?phrase|session[_\-]?id|sessionid|connect\.sid"
    r"|x-amz-signature|masterauth|requirepass)"
)
OBJECT_NAME = r"[a-z0-9_.\-]*secret"
KEY_NAME = (
    r"[a-z0-9_.\-]*(?:application|app|licen[sc]e|routing|integration|service|ingest(?:ion)?|insert"
    r"|admin|master|write|deploy|subscription|storage|server|ssh|webhook|hmac|jwt|cipher|crypto|aes"
    r"|consumer|rest|functions?|auth)[_\-]?key|[a-z0-9_.]*_pat"
)
WEAK_NAME = r"(?:[a-z0-9_.]*[_.])?(?:pass|pwd?)"
HEADER_NAME = r"(?:proxy-)?authorization|(?:set-)?cookie"
CHINESE_NAME = r"(?:密码|口令|密钥|私钥|秘钥|令牌|助记词|凭证)"
_QUOTE = r"\\*[\"'`]?"
_MARKED = r"[*_]{0,3}"  # what Markdown and Slack make bold or slanted
_ESCAPED = r"%(?:25)?3[dDaA]|\\+(?:u00|x)3[dDaA]|&#(?:x3[dDaA]|61|58);|&(?:equals|colon);"
_SEPARATOR = (
    rf"{_MARKED}\s*(?:=>|:=|[:=：]|\bis:|{_ESCAPED}){_MARKED}\s*"
    r"(?:[|>][+\-]?[ \t]*\n\s*|\\\n\s*)?"  # YAML's block of text, a line that goes on
)
_BARE = r"[^\s\"'`\\,;&<>}，。；、]{4,}"
_WRAPPED = r"(?:[A-Za-z][\w.]{0,30}\([ \t]*)?"  # `Some("…")`, `SecretStr('…')`
_QUOTED = r"\"{3}[^\"]{4,}|'{3}[^']{4,}|\"(?:[^\"\\\n]|\\.){4,}|'(?:[^'\\\n]|\\.){4,}"
_ARN = r"\barn:aws[a-z\-]*:[^\s\"'`,;&=]+"  # is taken whole, and stays: `…:secret:prod/db-x7`
_SEED = r"(?:[a-z]{3,8}[ \t]+){11,23}[a-z]{3,8}"


def _named(kind: str, name: str, judge: Callable[[str], bool]) -> Shape:
    value = rf"\\*(?:{_WRAPPED}(?:{_QUOTED})|{_QUOTE}{_BARE})"
    return Shape(kind, rf"(?i){_ARN}|(?:\b|_)(?:{name}){_QUOTE}{_SEPARATOR}({value})", 1, judge)


# --- the shapes ----------------------------------------------------------------------------------

_LOGIN = (  # without a scheme: `app:…@db-0.prod:5432`, `bot:…@tcp(10.2.3.4:3306)`
    r"([^\s:/,;\"'<>`()]{6,64})@"
    r"(?:\d{1,3}(?:\.\d{1,3}){3}\b|(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{2,}\b|[\w\-]+:\d{2,5}\b"
    r"|localhost\b|tcp\(|unix\()"
)
ADDRESSES = (
    Shape(
        "password",
        r"[a-zA-Z][a-zA-Z0-9+.\-]*://[^\s:/@\"'<>]*:((?:[^\s\"'<>,;]|&(?:amp|lt|gt);){3,})@",
        1,
        is_password_of_an_address,
    ),
    Shape("password", r"[a-z]://[^\s:/@\"'<>]*:([^\s\"'<>,;@/]{3,})…", 1, is_no_port),
    Shape("token", r"[a-z]://([A-Za-z0-9_\-]{20,}):?@", 1, is_key),
    Shape("token", r"\.azurewebsites\.net/[^\s?]*\?(?:[^\s&]*&)*code=([^\s&\"']{20,})", 1),
    Shape("password", rf"\b[A-Za-z][\w.\-]{{0,31}}:{_LOGIN}", 1, is_loud),
    Shape(  # `user:jane2@…` is a mailbox: taken whole, and stays
        "password",
        r"(?i)\b(?:e?mail|mailto|user(?:name)?|from|to|cc|by|owner|author|login|account|contact|name"
        r"|serviceaccount|principal|group|member|sip|xmpp|acct|upn|id)[\"']?:[\w.+\-]+@"
        rf"|\b[a-z][\w.\-]{{0,31}}:{_LOGIN}",
        1,
        is_login,
    ),
)
HEADERS = (
    Shape(
        "authorization",
        r"(?i)\b(?:proxy-)?authorization"
        + _QUOTE
        + r"\s*[:=]\s*"
        + _QUOTE
        + r"((?:bearer|basic|token|apikey|bot)\s+[^\s\"'\\,;]{6,}"
        r"|(?:digest|aws4-hmac-sha256)\s+[^\n]{8,}"
        r"|[a-z][a-z\-]{1,20}\s+[^\s\"'\\,;]{16,}"
        r"|[^\s\"'\\,;]{16,})",
        1,
        is_authorization,
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
        r"(?i)\b(?:curl|wget|http)\b[^\n]*?\s(?:-u|--user)[ =]?[\"']?[^\s:\"']+:"
        r"[\"']?([^\s\"']{3,})",
        1,
    ),
    Shape(
        "secret",
        r"(?i)\s--?(?:[a-z\-]*(?:password|passwd|passphrase|pwd|storepass|keypass|token|secret"
        r"|(?:api|access|auth)-?key))[ =]"
        r"([^\s\-][^\s]{3,})",
        1,
        is_value,
    ),
    Shape("password", r"\bmysql(?:dump|admin|import)?\b[^\n]*?\s-p([^\s]{4,})", 1),
    Shape("password", r"\bldap[a-z]+\b[^\n]*?\s-w\s*[\"']?([^\s\"']{4,})", 1),
    Shape("password", r"(?i)ConvertTo-SecureString\s+(?:-String\s+)?[\"']([^\"'\n]{4,})", 1),
    Shape("password", r"(?i)\"auth\"(?:\s+\"[^\"]+\")?\s+\"([^\"]{4,})\"", 1),  # Redis' MONITOR
    Shape("password", r"\bsshpass\s+-p\s*([^\s]{4,})", 1),
    Shape("password", r"\bredis-cli\b[^\n]*?\s-a\s+([^\s]{4,})", 1),
    Shape("password", r"\b(?:docker|podman|helm)\b[^\n]*?\blogin\b[^\n]*?\s-p\s+([^\s]{4,})", 1),
    Shape("password", r"\bpass:([^\s]{4,})", 1, is_strong_value),
    Shape("password", r"\bhtpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+([^\s]{4,})", 1),
    Shape("password", r"(?i)\b(?:requirepass|masterauth)\s+([^\s]{4,})", 1),
    Shape(
        "password", r"(?i)\b(?:password|identified\s+by)\s+[\"']([^\"'\n]{4,})[\"']", 1, is_value
    ),
)
_IN_BASE64 = r"[A-Za-z0-9+/_\-]"
_PASSWORD_IN_BASE64 = "|".join(
    each for word in ("password", "Password", "PASSWORD") for each in base64_patterns_of(word)
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
        r"\b[Xx]-(?:[A-Za-z\-]*(?:APIKEY|Api-?Key|Token|TOKEN)|[Hh]oneycomb-[Tt]eam)"
        r"\s*[:=]\s*([^\s\"',;]{8,})", 1, is_value,
    ),
    _named("secret", STRONG_NAME, is_value),
    _named("secret", OBJECT_NAME, is_no_object),
    _named("secret", KEY_NAME, is_key),
    Shape(  # `name: DB_PASSWORD` and below it `value: …`, as manifests and forms write a pair
        "secret",
        rf"(?i)\b(?:name|key){_QUOTE}\s*:\s*{_QUOTE}"
        rf"(?:{STRONG_NAME}|{OBJECT_NAME}|{WEAK_NAME}){_QUOTE}\s*,?\s*{_QUOTE}value{_QUOTE}"
        rf"\s*:\s*(\\*(?:{_QUOTED}|{_QUOTE}{_BARE}))", 1, is_value,
    ),
    _named("secret", WEAK_NAME, is_strong_value),
    Shape("secret", r"(?i)\b(?:sig|auth)=([^\s\"'&;,]{8,})", 1, is_strong_value),
    Shape("secret", r"\"auth\\*\"\s*:\s*\\*\"([A-Za-z0-9+/]{12,}={0,2})", 1, is_opaque),  # Docker's
    Shape("secret", r"(?i)\blogin\s+\S+\s+password\s+(\S{4,})", 1),  # .netrc
    Shape("secret", r"(?i)\bpassword\s+([^\s\"',;:=]{6,})", 1, is_mixed),
    Shape("secret", rf"{CHINESE_NAME}{_QUOTE}\s*[:=：是为]\s*[“「]?([!-~]{{4,}})", 1, is_value),
    Shape("secret", rf"(?i)\|[ \t]*(?:{STRONG_NAME})[ \t]*\|[ \t]*([^\s|]{{4,}})", 1, is_mixed),
    Shape("secret", rf"{CHINESE_NAME}\s+([!-~]{{4,}})", 1, is_mixed),
    Shape(  # without "/", which stands in paths; what is public is taken whole, and stays
        "random text",
        r"-----BEGIN (?:[A-Z0-9]+ )*(?:CERTIFICATE(?: REQUEST)?|PUBLIC KEY|CRL)-----[^-]+-----END"
        r"|\b(?:HostId|x-amz-id-2)\W{1,5}[A-Za-z0-9+/]+={0,2}"
        r"|\b(?:sha\d{3}-|SHA256:|h1:|AAAA)[A-Za-z0-9+/]+={0,2}"
        r"|\bdata:(?:image|font|audio|video)/[a-z0-9.+\-]+;base64,[A-Za-z0-9+/]+={0,2}"
        r"|\b_{1,3}Z[NKSTLG0-9]\w+|\b_R[NMXYI]\w+"  # names of functions of C++ and Rust
        r"|\b([A-Za-z0-9+_\-]{40,}={0,2})", 1, is_random,
    ),
    Shape("encoded password", rf"{_IN_BASE64}*(?:{_PASSWORD_IN_BASE64}){_IN_BASE64}+={{0,2}}"),
    Shape(
        "password hash",
        r"\$(?:apr1|[156y]|2[abxy]|argon2(?:id?|d))\$[A-Za-z0-9./$=,+]{20,}"
        r"|\bpbkdf2_sha\d+\$\d+\$[A-Za-z0-9]+\$[A-Za-z0-9+/=]{20,}|\bSCRAM-SHA-\d+\$\d+:[A-Za-z0-9+/=$:]{20,}",
    ),
)  # fmt: skip
_SAID_NAME = r"(?:pass(?:word|phrase|wd)?|pwd?)"
_OF = r"(?:\s+(?:for|of|on|in)\s+(?:the\s+)?[\w.\-]{1,32}){0,2}"
_SAYS = rf"{_OF}\s+(?:is|was|will\s+be)\s+(?:now\s+|set\s+to\s+|changed\s+to\s+)?"
_SET = rf"\b(?:re)?(?:set|chang|updat|rotat)\w*\s+(?:\w+\s+){{0,3}}{_SAID_NAME}{_OF}\s+to\s+"
_KEY_SAID = r"\b(?:secret|(?:api|access|auth|bearer|refresh)[ _\-]?(?:key|token))"
_CODE = r"(?:[_\- ]?(?:code|token))?[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?(\d{4,8})\b"
SAID = (
    Shape(
        "password",
        rf"(?i)\b{_SAID_NAME}{_SAYS}[\"'`“*]([^\s\"'`”*]{{6,64}})[\"'`”*]",
        1, is_value,
    ),
    Shape("password", rf"(?i)(?:\b{_SAID_NAME}{_SAYS}|{_SET})([^\s\"'`<>]{{6,64}})", 1, is_said),
    Shape("secret", rf"(?i){_KEY_SAID}{_SAYS}[\"'`*]?([^\s\"'`<>*]{{10,}})", 1, is_said),
    Shape("secret", rf"(?i){_KEY_SAID}\s+[\"'`*]?([A-Za-z0-9_\-]{{16,}})", 1, is_key),
    Shape(
        "password",
        r"(?i)\b(?:login|cred(?:ential)?s|user(?:name)?)\s*[:=]\s*[\w.@\-]+\s+/\s+(\S{6,64})",
        1, is_said,
    ),
    Shape(
        "one-time code",
        r"(?i)(?:^|[^\w.\-])(?:(?:[a-z]+[_\- ])?(?:otp|totp|mfa|2fa)|verification|one-time|security"
        rf"|(?:(?:card|user|door|account|sim|security|login)[_\- ]?)?pin){_CODE}",
        1,
    ),
    Shape(
        "one-time code",
        r"(?:验证码|校验码|动态码|动态口令|短信码|PIN ?码)\s*[:=：是为]\s*(\d{4,8})\b", 1,
    ),
)  # fmt: skip
SHAPES: tuple[Shape, ...] = (*KEYS, *ISSUED, *ADDRESSES, *HEADERS, *COMMANDS, *SAID, *NAMED)


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
    objects = re2.compile(rf"(?i)(?:{OBJECT_NAME})")
    keys = re2.compile(rf"(?i)(?:{KEY_NAME})")
    weak = re2.compile(rf"(?i)(?:{WEAK_NAME})")
    headers = re2.compile(rf"(?i)(?:{HEADER_NAME})")
    docker = re2.compile("auth")
    return (
        (strong, is_value),
        (objects, is_no_object),
        (keys, is_key),
        (weak, is_strong_value),
        (headers, anything),
        (docker, lambda value: len(value) >= 12 and is_opaque(value)),
    )


def tells(name: str, value: str) -> bool:
    """Say whether a name alone says that its value is a secret, and the value may be one."""
    return any(known.fullmatch(name) and judge(value) for known, judge in _telling())
