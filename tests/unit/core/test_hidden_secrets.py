"""Secrets that hide: behind what nobody sees, behind escapes, in pairs, in half a line."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bot.domain.secrets.redaction import DEEPEST, Redactor
from foundation.hidden import readable
from foundation.shortened import shortened_line
from tools.observe.workload_lines import LONGEST, event_line

SAID = "Hunter22xQz9"
OURS = "canary7own0secret-KEY"
ISSUED = "gh" + "p_canary7Galah0token8abcdefghij123456"  # in two pieces
CUT = Redactor([OURS])
UNSEEN = (
    "\u200b", "\u200d", "\u00ad", "\u2060", "\ufeff", "\u202e", "\u2066", "\U000e0041", "\x00",
    "\x1b[0m", "\x1b[38;5;196m", "\x1b]0;title\x07", "\u034f", "\u3164", "\ufe0f", "\U000e0101",
)  # fmt: skip


@pytest.mark.parametrize("unseen", UNSEEN, ids=ascii)
@pytest.mark.parametrize("secret", [OURS, ISSUED], ids=["ours", "issued"])
def test_what_nobody_sees_hides_no_secret(secret: str, unseen: str) -> None:
    for at in (2, 9):
        said = CUT.text(f"it wrote {secret[:at]}{unseen}{secret[at:]} and went on")
        assert "[redacted: " in said
        assert secret not in readable(said)
        assert secret[-12:] not in said
    named = CUT.text(f"pass{unseen}word{unseen}={unseen}{SAID}")
    assert SAID not in named


def test_a_text_in_which_something_hides_and_no_secret_stays_as_it_is() -> None:
    for text in (
        "family \U0001f468\u200d\U0001f469 \u2764\ufe0f",
        "\x1b[31mERROR\x1b[0m no route",
        "密码错误，请重试！",
        "ａｂｃ　１２",
    ):
        assert CUT.text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        f"\x1b[34mpassword\x1b[39;49;00m=\x1b[33m{SAID}\x1b[39;49;00m",
        f"password＝{SAID}",
        f"ｐａｓｓｗｏｒｄ={SAID}",
        f"password\u00a0=\u00a0{SAID}",
        f"password%3D{SAID}",
        f"password\\u003d{SAID}",
        f"password\\x3d{SAID}",
        f"password&#61;{SAID}",
        f"password&#x3D;{SAID}",
        f"**password**: {SAID}",
        f"*password:* {SAID}",
        f"| password | {SAID} |",
        f"password: |\n  {SAID}",
        f"password: >-\n    {SAID}\n",
        f"password=\\\n{SAID}",
        f'password = """{SAID}"""',
        f'Config {{ password: Some("{SAID}") }}',
        f"Config(password=SecretStr('{SAID}'))",
        f'CREATE USER a IDENTIFIED BY "{SAID}"',
        f"user=a&pw={SAID}",
        f"postgres://app:{SAID}&amp;1@db/orders",
    ],
)
def test_however_its_name_is_written_beside_it_a_secret_is_cut(text: str) -> None:
    assert SAID not in CUT.text(text)
    assert "[redacted: " in CUT.text(text)


def twice(text: str) -> str:
    return base64.b64encode(base64.b64encode(text.encode())).decode()


@pytest.mark.parametrize("lead", ["", "a", "ab"])
def test_ours_is_found_in_base64_of_base64_and_in_addresses_of_addresses(lead: str) -> None:
    inner = base64.b64encode(f"{lead}{OURS}".encode()).decode()
    for written in (twice(OURS), twice(f"{OURS}{lead}"), inner.encode().hex() if not lead else ""):
        if written:
            assert written not in CUT.text(f"data: {written}")
    assert CUT.text("canary7own0secret%252DKEY") == CUT.text(OURS)


@pytest.mark.parametrize(
    "value",
    [
        {"password": 12345678},
        {"pin": 483920},
        {"otp": "483920"},
        {"password": {"value": SAID}},
        {"password": {"old": SAID, "new": SAID}},
        {"credentials": {"user": "a", "pw": SAID}},
        {"kind": "Secret", "data": {"a": SAID}, "stringData": {"b": SAID}},
        {"Name": "DB_PASSWORD", "Value": SAID},
        {"args": ["login", "--password", SAID]},
        {"headers": [["x", "1"], ["password", SAID]]},
        {"token": [[SAID]]},
    ],
    ids=json.dumps,
)
def test_a_name_that_tells_is_found_wherever_it_stands_in_json(value: Any) -> None:
    assert not {SAID, "12345678", "483920"} & set(str(CUT.json(value)).replace("'", " ").split())
    assert "[redacted: secret]" in str(CUT.json(value))


@pytest.mark.parametrize(
    "value",
    [
        {"tokens": 123456, "max_tokens": 4096, "password": True, "pin": 12, "secret": 0},
        {"password": {"secretKeyRef": {"name": "shop-tls", "key": "db"}}},
        {"kind": "ConfigMap", "data": {"a": "plain"}},
        {"fields": ["password", "username"], "args": ["--verbose", "serve"]},
        {"name": "shop", "value": "plain"},
        {"old": "a", "new": "b", "none": [], "nothing": {}, "token": [], "password": {}},
    ],
    ids=json.dumps,
)
def test_a_name_beside_something_else_is_left_alone(value: Any) -> None:
    assert CUT.json(value) == value


def test_what_lies_too_deep_to_be_looked_through_is_not_kept() -> None:
    deep: Any = SAID
    for _ in range(DEEPEST + 5):
        deep = [{"password": deep}]
    assert SAID not in str(CUT.json(deep))
    assert "nested too deep" in str(CUT.json(deep))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"x {OURS}", OURS),
        (f"x {ISSUED}", ISSUED),
        (f"postgres://app:{SAID}@db", SAID),
        (f"password={SAID}", SAID),
        (f"Authorization: Bearer {SAID * 3}", SAID * 3),
    ],
)
def test_a_line_that_was_shortened_shows_no_half_of_a_secret(text: str, secret: str) -> None:
    for end in range(1, len(text)):
        said = CUT.text(f"{text[:end]}…")
        shown = max(n for n in range(len(secret) + 1) if secret[:n] in said)
        assert shown <= max(11, len(secret) // 2), said
    for plain in ("http://db:8080…", "sk-learn…", "the gh_actions…", "https://acme.io/eyJ…"):
        assert CUT.text(plain) == plain


@pytest.mark.parametrize("before", range(LONGEST - 36, LONGEST - 16))
def test_a_tools_line_that_was_shortened_shows_no_half_of_a_secret(before: int) -> None:
    row = {
        "at": "14:00", "since": "14:00", "type": "Warning", "reason": "Failed", "object": "shop",
        "count": 1, "message": f"{'x' * before} {ISSUED} and more",
    }  # fmt: skip
    said = CUT.text(event_line(row))
    assert ISSUED[:16] not in said


def test_a_line_is_cut_where_it_is_too_long_and_says_so() -> None:
    assert shortened_line(" a\n b ", 10) == "a b"
    assert shortened_line("abcdefghij", 10) == "abcdefghij"
    assert shortened_line("abcdefghijk", 10) == "abcdefghi…"
    assert shortened_line("a" + " " * 1000 + "b", 10) == "a…"
