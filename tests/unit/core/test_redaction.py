"""Secrets are cut out of any text, and what was there is still told."""

import pytest

from bot.domain.redaction import Redactor

TOKEN = "xox" + "b-123456789012-abcdefGHIJKL"  # in two pieces: no scanner should find this file
API_KEY = "sk-" + "ant-" + "k3y" * 9
PRIVATE = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIabc\n-----END RSA " + "PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("text", "secret", "kind"),
    [
        (f"token {TOKEN} leaked", TOKEN, "slack token"),
        (f"key={API_KEY}", API_KEY, ""),
        (f"found {PRIVATE} in a log", "MIIabc", "private key"),
        ("AKIA" + "ABCDEFGHIJKLMNOP used", "AKIAABCDEFGHIJKLMNOP", "aws key"),
        ("ghp_" + "a" * 36, "a" * 36, "github token"),
        ("postgres://app:hunter22@db/orders", "hunter22", "password"),
        ("Authorization: Bearer abcdef0123456789", "abcdef0123456789", "authorization"),
        ('{"db_password": "s3cretpass"}', "s3cretpass", "secret"),
        ("WALLET_SEED_PHRASE=ocean-tiger-lamp", "ocean-tiger-lamp", "secret"),
        ("eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "eyJzdWIiOiIx", "jwt"),
    ],
)
def test_what_looks_like_a_secret_is_cut_and_its_kind_named(
    text: str, secret: str, kind: str
) -> None:
    cut = Redactor().text(text)
    assert secret not in cut
    assert "[redacted" in cut
    assert kind in cut


def test_known_values_are_cut_wherever_they_stand() -> None:
    redactor = Redactor(["correct horse battery", "abc"])
    assert redactor.text("it is correct horse battery!") == "it is [redacted: known secret]!"
    assert redactor.text("abc is too short to be taken for a secret") == (
        "abc is too short to be taken for a secret"
    )


@pytest.mark.parametrize(
    "text",
    [
        "order_latency_p99 is 412 ms since 14:32",
        "commit 9f1c2ab34d of order-api 2.14.0",
        "the token bucket of the gateway is empty",
        "https://grafana.example/d/orders?from=1",
        "pod order-api-7f9c5d-x2x4z restarted",
    ],
)
def test_ordinary_words_are_left_alone(text: str) -> None:
    assert Redactor().text(text) == text


def test_json_is_redacted_in_keys_members_and_lists() -> None:
    cut = Redactor().json(
        {"env": [{"name": "x", "password": "hunter22"}], TOKEN: 1, "ratio": 0.5, "none": None}
    )
    assert "hunter22" not in str(cut)
    assert TOKEN not in str(cut)
    assert cut["ratio"] == 0.5
    assert cut["none"] is None


def test_redacting_twice_changes_nothing_more() -> None:
    redactor = Redactor(["known-value"])
    once = redactor.text(f"password=hunter22 {TOKEN} known-value postgres://a:bcdef@h")
    assert redactor.text(once) == once


@pytest.mark.parametrize("word", ["name", "key"])
def test_the_name_in_a_pair_says_that_its_value_is_a_secret(word: str) -> None:
    pair = {word: "DB_PASSWORD", "value": "hunter22"}
    assert Redactor().json({"env": [pair]}) == {
        "env": [{word: "DB_PASSWORD", "value": "[redacted: secret]"}]
    }
    assert Redactor().json({word: "replicas", "value": "1234"})["value"] == "1234"
