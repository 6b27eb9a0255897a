"""What a secret is that a shape has found by its place: cut, or left as it stands.

    `password:`, `Bearer`, `user:…@host` ──a shape──> the word there ──its judge──> cut, or not

A judge knows the word alone. States, placeholders and references stand where secrets do, and stay.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

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


# What stands where a secret would, and is none: states, placeholders, references.
WORDS = frozenset({
    "true", "false", "null", "none", "nil", "undefined", "empty", "unset", "yes", "no",
    "on", "off", "ok", "required", "missing", "invalid", "expired", "incorrect", "wrong",
    "unknown", "denied", "failed", "failure", "disabled", "enabled", "changed", "reset",
    "rotated", "revoked", "accepted", "rejected", "redacted", "hidden", "masked",
    "sensitive", "omitted", "string", "value", "expected", "found", "not", "is", "was",
    "must", "should", "cannot", "for", "of", "the", "a", "an", "to", "in", "and", "or",
    "with", "without", "error", "errors", "token",
    "错误", "已过期", "过期", "无效", "已更新", "已重置",
})  # fmt: skip
PLACEHOLDERS = (  # and what fetches the secret from elsewhere
    "${", "$(", "{{", "<", "%(", "(sensitive", "[redacted", "***", "xxxx", "....",
    "os.environ", "os.getenv", "os.Getenv", "process.env", "System.getenv", "getenv(", "ENV[",
    "var.", "local.", "module.", "secrets.", "vault:", "op://", "arn:aws", "file(",
)  # fmt: skip
OBJECTS = frozenset({  # what the name of a Secret ends with; the name is no secret
    "tls", "cert", "certs", "ca", "auth", "db", "creds", "credentials", "secret", "secrets",
    "token", "config", "env", "key", "keys", "pull",
})  # fmt: skip
_EDGES = "\"'`\\ ,;"


def is_placeholder(text: str) -> bool:
    """Say whether something else will stand here: `${NAME}`, `$NAME`, `<name>`, `****`."""
    variable = text[:1] == "$" and text[1:].isupper() and text[1:].replace("_", "").isalpha()
    return variable or text.startswith(PLACEHOLDERS) or set(text) <= set("*x.•-_#")


def is_value(text: str) -> bool:
    """Say whether a text beside a telling name is a secret, and no state or placeholder."""
    bare = text.strip(_EDGES)
    if len(bare) < 4 or is_placeholder(bare):
        return False
    if bare.endswith(":") and bare[:-1].lstrip("{").replace("_", "").replace("-", "").isalpha():
        return False  # `password:` with `type:` below it: a key of YAML
    if bare.endswith(("[", "()")) or (bare[0] == "/" in bare[1:] and bare == bare.lower()):
        return False  # code, a path
    return bare.lower().rstrip(".!:)") not in WORDS


def is_no_object(text: str) -> bool:
    """Say so of a value beside `secret`, where Kubernetes and Helm write the name of an object."""
    bare = text.strip(_EDGES)
    named = bare.islower() and bare.replace("-", "").isalnum() and "-" in bare
    return is_value(text) and not (named and bare.rpartition("-")[2] in OBJECTS)


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


def is_key(text: str) -> bool:
    """Say so of what stands beside a name that ends in `key`, as names of caches do as well."""
    bare = text.strip(_EDGES)
    plain = bare.isascii() and not set(bare) & set("./\\ ")
    plain = plain or bare.startswith("base64:")
    if not is_loud(bare) and re2.search(r"(?:^|[_\-])[a-z]{4,}(?:[_\-]|$)", bare):
        return False  # order-created-2026-05-02: words
    return len(bare) >= 16 and plain and is_mixed(bare) and sum(map(str.isdigit, bare)) >= 3


_TECHNICAL = (
    r"(?i)base64|sha-?\d+|md5|utf-?8|k8s|s3|ec2|oauth2?|x509|argon2\w*|pbkdf2|v\d+|\dfa|1password"
)


def is_said(text: str) -> bool:
    """Say whether a word of a sentence is a password: digits or signs inside, and no term."""
    word = re2.sub(_TECHNICAL, "", text.strip(_EDGES + ".!?):，。"))
    if not is_value(word) or not any(map(str.isalpha, word)):
        return False
    if re2.fullmatch(r"\d+[a-z]?(?:-[a-z\-]+)?", word) or "://" in word:
        return False  # 90-day, 12h
    if "/" in word:
        return is_loud(word)  # a path
    return any(map(str.isdigit, word)) or bool(set(word[1:]) & set("!#$%*^"))


def is_login(text: str) -> bool:
    """Say so of what stands between `name:` and `@host`, where versions and ports stand, too."""
    if re2.fullmatch(r"v\d\S*|\d+(?:\.\d+)+\S*|\d+[a-z]*", text) or is_placeholder(text):
        return False
    return any(map(str.isdigit, text)) or is_loud(text)


def is_loud(text: str) -> bool:
    """Say whether a word holds what names of people and mailboxes do not: signs, or `aB1`."""
    if set(text) & set("!#$%&*^=~?") and not is_placeholder(text):
        return True
    kinds = (str.islower, str.isupper, str.isdigit)
    return all(any(map(kind, text)) for kind in kinds)


def is_authorization(text: str) -> bool:
    """Say so of what stands in the header, and of no `Bearer $TOKEN`."""
    return is_opaque(text) and not is_placeholder(text.rsplit(maxsplit=1)[-1])


def is_bearer(text: str) -> bool:
    """Say whether what stands behind `bearer` is a token, and not what people write there."""
    return is_opaque(text) or not text.startswith(("authenti", "authori", "credential"))


def is_password_of_an_address(text: str) -> bool:
    """Say so of what stands between `//user:` and the last `@`: a port is none."""
    port, _, rest = text.partition("/")
    return not (port.isdigit() and len(port) <= 5 and bool(rest)) and not text.startswith("[red")


def is_no_port(text: str) -> bool:
    """Say so of what stands behind `//name:` where the text ends."""
    return not text.isdigit()


def is_wordy(text: str) -> bool:
    """Say whether half of a text is words between `_` and `-`: the name of a file or a function."""
    words = [w for w in re2.split(r"[_\-]", text) if len(w) > 3 and w[1:].islower() and w.isalpha()]
    return 2 * sum(map(len, words)) >= len(text)


RANDOM_BITS = 4.4  # per letter


def is_random(text: str) -> bool:
    """Say whether a long run of letters and digits is drawn at random rather than written.

    Hexadecimal ones are checksums and ids of traces far more often than secrets, and stay.
    """
    if not (any(map(str.islower, text)) and any(map(str.isupper, text))):
        return False
    if sum(map(str.isdigit, text)) < 3 or is_wordy(text):
        return False
    counts = Counter(text)
    bits = -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
    return bits >= RANDOM_BITS
