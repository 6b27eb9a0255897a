"""The one YAML reader: what it reads as before, what it refuses and with which words."""

import time
from pathlib import Path

import pytest
import yaml

from foundation.yaml_file import YamlFileError, YamlLimits, parse_yaml, read_yaml

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(
    [
        *(ROOT / "config").rglob("*.yaml"),
        *(ROOT / "playbooks").rglob("*.yaml"),
        *(ROOT / "bot/locale").rglob("*.yaml"),
    ]
)


def refused(content: str | bytes, limits: YamlLimits | None = None) -> str:
    with pytest.raises(YamlFileError) as caught:
        parse_yaml(content, "f.yaml", limits=limits or YamlLimits())
    return str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_we_ship_reads_as_any_yaml_reader_reads_it(path: Path) -> None:
    assert read_yaml(path).value == yaml.safe_load(path.read_text(encoding="utf-8"))


# --- values -----------------------------------------------------------------------------------


def test_words_keep_their_text_and_quotes_make_any_word_a_text() -> None:
    read = parse_yaml("a: no\nb: '012'\nc: 1:30\nd: 2026-03-02\ne: \"5\"\nf: |\n  true\n", "f")
    assert read.value == {
        "a": "no", "b": "012", "c": "1:30", "d": "2026-03-02", "e": "5", "f": "true\n",
    }  # fmt: skip


def test_values_stand_as_written_before_any_variable_is_expanded() -> None:
    read = parse_yaml("url: ${PROMETHEUS_URL:-http://localhost:9090}", "f")
    assert read.value == {"url": "${PROMETHEUS_URL:-http://localhost:9090}"}


@pytest.mark.parametrize("empty", ["", "# only a remark\n", "---\n", "---\n...\n"])
def test_an_empty_file_holds_nothing(empty: str) -> None:
    read = parse_yaml(empty, "f.yaml")
    assert (read.value, read.place(("a",))) == (None, None)


def test_a_byte_order_mark_and_windows_line_ends_are_no_content() -> None:
    read = parse_yaml("\ufeffa: 1\r\nb: zwölf\r\n".encode(), "f")
    assert (read.value, read.line(("b",))) == ({"a": 1, "b": "zwölf"}, 2)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!!str 012", "012"), ("!!int 3", 3), ("!!float 3", 3.0), ("!!bool true", True),
        ("!!null ''", None), ("!!seq [1]", [1]), ("!!map {a: 1}", {"a": 1}),
    ],
)  # fmt: skip
def test_yamls_own_tags_for_plain_values_are_read(text: str, value: object) -> None:
    assert parse_yaml(text, "f").value == value


# --- places -----------------------------------------------------------------------------------

TREE = """\
anomaly_detection:
  algorithms: [zscore,
    mad]
  thresholds:
    - {metric: cpu, above: 1.10}
7: seven
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("anomaly_detection",), "1:1"),
        (("anomaly_detection", "algorithms"), "2:3"),
        (("anomaly_detection", "algorithms", 1), "3:5"),
        (("anomaly_detection", "thresholds", 0), "5:7"),
        (("anomaly_detection", "thresholds", 0, "above"), "5:21"),
        ((7,), "6:1"),
        (("anomaly_detection", "zscore"), "1:1"),  # nearest above
        (("anomaly_detection", "algorithms", 2), "2:3"),
        (("anomaly_detection", "algorithms", 1, "deeper"), "3:5"),
    ],
)
def test_every_path_knows_its_place_or_the_nearest_above(
    path: tuple[str | int, ...], place: str
) -> None:
    read = parse_yaml(TREE, "f.yaml")
    assert str(read.place(path)) == place
    assert read.where(path) == f"f.yaml:{place}"
    assert read.line(path) == int(place.split(":", maxsplit=1)[0])


def test_a_path_that_does_not_begin_in_the_file_has_no_place() -> None:
    read = parse_yaml(TREE, "f.yaml")
    assert (read.place(("llm", "model")), read.line(("llm",))) == (None, None)
    assert read.where(("llm",)) == "f.yaml:1:1"


def test_a_scalar_is_told_as_it_was_written() -> None:
    read = parse_yaml(TREE, "f.yaml")
    above = ("anomaly_detection", "thresholds", 0, "above")
    assert (read.written(above), read.value["anomaly_detection"]["thresholds"][0]["above"]) == (
        "1.10", 1.1,
    )  # fmt: skip
    assert read.written(("anomaly_detection",)) is None
    assert read.written(("nowhere",)) is None


def test_a_text_inside_another_file_counts_that_files_lines() -> None:
    assert parse_yaml("a: 1\nb: 2", "doc.md", first_line=2).where(("b",)) == "doc.md:3:1"
    with pytest.raises(YamlFileError, match=r"^doc\.md:3:4: not YAML"):
        parse_yaml("a: 1\nb: @", "doc.md", first_line=2)


# --- aliases and merge keys -------------------------------------------------------------------

MERGED = """\
defaults: &defaults {tier: 2, team: payments}
other: &other {tier: 3, channel: '#shop'}
shop:
  <<: *defaults
  namespace: shop
  tier: 1
web:
  <<: [*defaults, *other]
copy: *other
"""


def test_what_a_mapping_says_itself_wins_over_what_is_merged_then_the_earlier() -> None:
    read = parse_yaml(MERGED, "f.yaml")
    assert read.value == yaml.safe_load(MERGED)
    assert read.value["shop"] == {"tier": 1, "team": "payments", "namespace": "shop"}
    assert read.value["web"] == {"tier": 2, "team": "payments", "channel": "#shop"}


def test_what_was_merged_or_named_by_an_alias_stands_where_it_is_written() -> None:
    read = parse_yaml(MERGED, "f.yaml")
    assert read.line(("shop", "team")) == 1
    assert read.line(("shop", "tier")) == 6
    assert read.line(("web", "channel")) == 2
    assert read.line(("copy",)) == 9
    assert read.line(("copy", "channel")) == 2


def test_only_a_bare_merge_key_merges() -> None:
    assert parse_yaml("'<<': {a: 1}", "f").value == {"<<": {"a": 1}}
    assert "<<: takes an alias of a mapping" in refused("a: 1\n<<: 3")
    assert "<<: takes an alias of a mapping" in refused("a: 1\n<<: [{b: 1}, c]")
    assert refused("<<: {a: 1}\n<<: {b: 1}").startswith("f.yaml:2:1: '<<' is written twice")


# --- refused ----------------------------------------------------------------------------------

A_PASTED_SECTION = """\
app: {environment: staging}
auto_remediation:
  dry_run: true      # somebody's safety switch
  max_concurrent_actions: 1
access:
  approver: [S0APPROVER1]
# further down, brought along from elsewhere
auto_remediation:
  cooldown_minutes: 15
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            A_PASTED_SECTION,
            "8:1: 'auto_remediation' is written twice, first in line 2; keep one of them",
        ),
        ("a:\n  - {b: 1,\n     b: 2}", "3:6: 'b' is written twice, first in line 2"),
        ("1: a\n'1': b", "2:1: '1' is written twice, first in line 1"),
        ("1: a\n1.0: b", "2:1: '1.0' is written twice, first in line 1"),
        ("true: a\nTrue: b", "2:1: 'True' is written twice, first in line 1"),
        ("~: a\nnull: b", "2:1: 'null' is written twice, first in line 1"),
        ("a: 012", "1:4: 012 is octal to some readers"),
        ("010: a", "1:1: 010 is octal to some readers"),
        ("a: [1, .nan]", "1:8: .nan is no number to compare with"),
        ("a: 1\n---\nb: 2", "2:1: a second document begins; one file holds one, delete '---'"),
        ("a: !env HOME", "1:4: tag !env means nothing here; write the plain value"),
        ("a: ! x", "1:4: tag ! means nothing here"),
        ("a: !!python/object/apply:os.system [ls]", "1:4: tag !!python/object/apply:os.system"),
        ("a: !!timestamp 2026-03-02", "1:4: tag !!timestamp means nothing here"),
        ("a: !!set {b}", "1:4: tag !!set means nothing here"),
        ("a: !!int no", "1:4: 'no' is no !!int; write the plain value"),
        ("a: !!map [1]", "1:4: this is no !!map; leave the tag out"),
        ("? [a, b]\n: c", "1:3: a key must be a word, not a mapping or a list"),
        ("a: &x [1]\n*x : 2", "2:1: a key must be a word"),
        ("a: *x", "1:4: alias *x: nothing above it has that name"),
        ("a: &x [1, *x]", "1:11: alias *x stands inside what it names; write it out"),
        ("a: &x 1\nb: &x 2", "2:4: anchor &x stands in line 1 already; choose another name"),
        ("a: \x07", "1:4: not YAML: the character '\\x07' cannot be printed; delete it"),
        ("a: b\n\x00", "2:1: not YAML: the character '\\x00' cannot be printed"),
        ("a:\n\tb: 1", "2:1: not YAML: found character '\\t' that cannot start any token; indent"),
        ("a: @b", "1:4: not YAML: found character '@' that cannot start any token; put a text"),
        ("a: b: c", "1:5: not YAML: mapping values are not allowed here; put a text with ': '"),
        ("a: [b", "1:6: not YAML: expected ',' or ']', but got '<stream end>'; close the bracket"),
        (
            "a: 'b\nc: d",
            (
                "2:5: not YAML: found unexpected end of stream while scanning a quoted scalar "
                "that begins in line 1; close the quote"
            ),
        ),
        ("a:\n  - b\n c: d", "3:2: not YAML: expected <block end>, but found"),
        ('a: "\\ud83d\\ude00"', "1:4: half of a character"),
        ('a: "\\U00110000"', "1:1: not YAML: "),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1", "1:1: not YAML: "),
        ('a: "\\q"', "1:6: not YAML: found unknown escape character 'q'; put a text with back"),
    ],
)
def test_what_is_refused_says_where_it_stands_and_what_to_write(text: str, complaint: str) -> None:
    assert refused(text).startswith(f"f.yaml:{complaint}")


def test_bytes_that_are_no_utf_8_are_placed() -> None:
    assert refused("a: 1\nb: grün".encode("latin-1")) == (
        "f.yaml:2:6: not UTF-8: invalid start byte; save the file as UTF-8"
    )


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(YamlFileError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_yaml(tmp_path / "nowhere.yaml")
    with pytest.raises(YamlFileError, match=r"cannot be read: Is a directory"):
        read_yaml(tmp_path)


# --- limits -----------------------------------------------------------------------------------

SMALL = YamlLimits(bytes=100, depth=3, nodes=15, aliases=2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a" * 101, "1:1: larger than 100 bytes; split the file"),
        ("ä" * 51, "1:1: larger than 100 bytes"),
        ("[[[[1]]]]", "1:4: nested deeper than 3 levels; flatten it"),
        ("a: {b: {c: &x {d: 1}}}", "1:12: nested deeper"),
        ("a: &x [[1]]\nb: [[*x]]", "2:6: nested deeper than 3 levels"),
        (str(list(range(15))), "1:48: more than 15 keys and values"),
        ("a: &x [1, 2, 3, 4]\nb: *x\nc: *x", "3:4: more than 15 keys and values, aliases written"),
        ("a: &x 1\nb: [*x, *x, *x]", "2:13: more than 2 aliases; write values out"),
    ],
)
def test_a_file_beyond_a_limit_is_refused_at_its_place(text: str, complaint: str) -> None:
    assert refused(text, SMALL).startswith(f"f.yaml:{complaint}")


def test_a_file_at_its_limits_is_read() -> None:
    assert parse_yaml("a: &x [[1]]\nb: *x\nc: *x", "f", limits=SMALL).value["c"] == [[1]]
    assert parse_yaml(str(list(range(14))), "f", limits=SMALL).value[-1] == 13


def test_a_big_file_is_not_read_whole_only_to_be_refused(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * 101)
    with pytest.raises(YamlFileError, match="larger than 100 bytes"):
        read_yaml(tmp_path / "big.yaml", SMALL)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
)
MERGES = "a0: &a0 {k: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        MERGES,
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 500_000,
        "? " * 500_000,
        "a: " + "9" * 1_000_000,
        "[" + "1e9, " * 150_000 + "]",
        "{" + ", ".join(f"k{n}: {n}" for n in range(60_000)) + "}",
        "".join(f"k{n}: {n}\n" for n in range(60_000)),
        "a: '" + "x\n" * 400_000 + "'",
        "a: |\n" + "  x\n" * 200_000,
        "a: " + "x " * 400_000,
        "a: [" + "'" * 500_000,
        "%TAG !e! tag:e:\n" * 10 + "---\na: 1",
        "#" * 1_000_000,
        "&a " * 300_000,
        f"{'k' * 300_000}: 1\n{'k' * 300_000}: 2",
        f"a: !{'t' * 900_000} 1",
        f"a: *{'x' * 900_000}",
        f"a: !!int {'9' * 60}{'x' * 900_000}",
    ],
    ids=lambda text: text[:12],
)
def test_no_text_of_a_megabyte_takes_long_or_deep(text: str) -> None:
    began, told = time.process_time(), ""
    try:
        parse_yaml(text, "f.yaml")
    except YamlFileError as error:
        told = str(error)
    assert len(told) < 400  # never the whole text
    assert time.process_time() - began < 30  # seconds of work, whatever the machine's load
