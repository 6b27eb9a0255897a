"""Logs as platforms ship them: where a level stands, how it is spelled, what hides a word.

Sources, read in November 2026: Loki's documentation (structured metadata, `detected_level`, label
filters, `/label/<name>/values` with a query), OpenTelemetry's log data model (SeverityText, its
numbers), RFC 5424, pino's and glog's documentation; public issues of log bots that found no error
on a Loki fed by OpenTelemetry, and of searches that missed coloured lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.loki.logql import LogQuery, parse
from tools.backends.logql import meets, normal_level
from tools.backends.loki import Loki, LokiConfig
from tools.ports import LogPage
from tools.world import Window

END = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
WINDOW = Window.ending(END, timedelta(hours=1))


@dataclass(frozen=True)
class Written:
    """One line: its stream's labels, its text, and what is stored beside it."""

    text: str
    labels: dict[str, str]
    beside: dict[str, str] = field(default_factory=dict)


class Store:
    """A Loki over a few lines; filters see what stands beside a line as labels, as Loki's do."""

    def __init__(self, *lines: Written, knows_values: bool = True) -> None:
        self.lines, self.knows_values = lines, knows_values
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        query = parse(request.url.params.get("query", '{service=~".+"}'))
        assert isinstance(query, LogQuery)
        own = [line for line in self.lines if query.accepts(line.labels)]
        if "/label/" in request.url.path:
            if not self.knows_values:
                return httpx.Response(400, text="the query parameter is not supported")
            name = request.url.path.split("/")[-2]
            values = sorted({line.labels[name] for line in own if name in line.labels})
            return httpx.Response(200, json={"status": "success", "data": values or None})
        if request.url.path.endswith("/stats"):
            return httpx.Response(200, json={"bytes": 100})
        self.asked.append(str(request.url.params["query"]))
        at = int(END.timestamp() - 60) * 10**9
        found = [
            {"stream": line.labels | line.beside, "values": [[str(at + n), line.text]]}
            for n, line in enumerate(own)
            if query.passes(line.text, line.labels | line.beside)
        ]
        data = {"resultType": "streams", "result": found}
        return httpx.Response(200, json={"status": "success", "data": data})


async def search(store: Store, **asked: Any) -> LogPage:
    loki = Loki(LokiConfig(url="http://loki"), httpx.MockTransport(store))
    try:
        return await loki.search(WINDOW, **asked)
    finally:
        await loki.close()


def texts(page: LogPage) -> set[str]:
    return {line.text for line in page.lines}


WEB = {"service": "web"}
BESIDE = (
    Written("boom", WEB, {"detected_level": "error"}),
    Written("bang", WEB, {"severity_text": "ERROR2", "severity_number": "18"}),
    Written("fine", WEB, {"detected_level": "info"}),
    Written("worse", WEB, {"level": "fatal"}),
)
INSIDE = (
    Written('{"ts":1,"level":"error","msg":"boom"}', WEB),
    Written('time=1 level=ERROR msg="no error here"', WEB),
    Written('{"severity": "CRITICAL", "message": "worse"}', WEB),
    Written('{"level":50,"msg":"pino"}', WEB),
    Written('level=info msg="error is in the words only"', WEB),
    Written("an error without any level", WEB),
)


@pytest.mark.parametrize("service", ["web", ""])
async def test_a_level_beside_the_lines_is_found(service: str) -> None:
    page = await search(Store(*BESIDE), service=service, level="error")
    assert texts(page) == {"boom", "bang", "worse"}
    assert {line.level for line in page.lines} == {"error", "critical"}


@pytest.mark.parametrize("service", ["web", ""])
async def test_the_senders_own_word_outweighs_what_loki_guessed(service: str) -> None:
    """grafana/loki #15444: `detected_level` said error where OpenTelemetry's severity was INFO."""
    guessed = Written("no errors", WEB, {"detected_level": "error", "severity_text": "INFO"})
    unknown = Written("boom", WEB, {"detected_level": "error", "severity_text": "Fehler"})
    store = Store(guessed, unknown)
    assert texts(await search(store, service=service, level="error")) == {"boom"}
    (line,) = (await search(store, service=service, level="info")).lines
    assert (line.text, line.level) == ("no errors", "info")


@pytest.mark.parametrize("service", ["web", ""])
async def test_a_level_inside_the_lines_is_found_and_a_word_is_no_level(service: str) -> None:
    page = await search(Store(*INSIDE), service=service, level="error")
    assert texts(page) == {line.text for line in INSIDE[:4]}


# Whose lines look like this. Where a comment names an issue or a page, it speaks of this very form;
# the others are known from practice.
FORMS = {
    "zerolog, its JSON with short words": '{"level":"ERR","message":"dial"}',
    # sirupsen/logrus #407: the level is cut to four letters, and who looks for ERROR finds nothing.
    "logrus and k6, on a terminal": "ERRO[0003] dial tcp: refused",
    # grafana/grafana #27015: Grafana's own lines in Loki say `lvl=eror`, and mean to.
    "log15 and geth": '{"lvl":"eror","msg":"dial"}',
    # saleor #19699: a platform that looks at `level` alone knows no level of Python's JSON.
    "Python's json loggers": '{"levelname": "ERROR", "message": "boom"}',
    # grafana/grafana #25678: a field `log.level` of ERROR was shown as a line without a level.
    "Elastic's schema, flat": '{"@timestamp":"x","log.level":"error","message":"boom"}',
    # serilog-formatting-compact's README, "Reified properties": the level is `@l`.
    "Serilog's compact form": '{"@t":"x","@l":"Error","@m":"boom"}',
    "Monolog, as JSON": '{"message":"boom","level_name":"ERROR","channel":"app"}',
    "Laravel": "[2026-11-20 14:00:00] production.ERROR: boom",
    # grafana/loki #17531: no level was found where neither a colon nor `=` follows the word.
    "Spring Boot": "2026-11-20 14:00:00.123 ERROR 1 --- [main] c.e.App : boom",
    "nginx": "2026/11/20 14:00:00 [error] 7#7: *1 connect() failed",
    # Kubernetes' documentation, "System Logs": one letter before the date is all there is.
    "klog of every Kubernetes component": "E1120 14:00:00.123456       1 reflector.go:1] boom",
    # Python's Logging HOWTO, "A simple example": `WARNING:root:` without a time.
    "Python's basicConfig": "ERROR:root:boom",
    "PostgreSQL": "2026-11-20 14:00:00.123 UTC [71] FATAL:  the database system is starting up",
}
NO_ERRORS = (
    "2026-11-20 14:00:00.123  INFO 1 --- [main] c.e.App : no ERROR here",
    "I1120 14:00:00.123456       1 reflector.go:1] ERROR was yesterday",
    '{"level":"info","msg":"ERROR: quoted"}',
    "E1 was the first errand",
    "Errors and errands",
    # grafana/loki #16611: an access log was an error because an address in it spoke of errors.
    '{"http_referer":"https://g/explore?var-levels=detected_level%7C%3D%7Cerror","status":200}',
    # grafana/alloy #2752: every line ended with the field `error=0000`, and every one was red.
    "2026-11-20 14:00:00 transfer done error=0000 file=a",
    # akash-network/console #1857: a debug line whose level stands one object deeper.
    '{"stream":"stdout","log":{"level":"debug","context":"POSTGRES","sql":"select error"}}',
)


@pytest.mark.parametrize("form", FORMS)
async def test_a_level_is_found_in_the_form_that_its_writer_gives_it(form: str) -> None:
    lines = [Written(FORMS[form], WEB), *(Written(each, WEB) for each in NO_ERRORS)]
    page = await search(Store(*lines), service="web", level="error")
    assert texts(page) == {FORMS[form]}


OTHERS = (  # levels besides error that were not known, or taken for errors
    # grafana/loki #17833: Serilog's long form says "Information"; only its errors were known.
    ("info", '{"Timestamp":"2026-11-20T14:00:00Z","Level":"Information","Message":"hi"}', WEB),
    # grafana/loki #14428: WARN without a colon was unknown to one and an error to another.
    ("warning", "2026-11-20 14:00:00 WARN disk is nearly full", WEB),
    # grafana/grafana #82945: an application's own `verbose` was shown as unknown.
    ("debug", "level=verbose msg=hi", WEB),
    # grafana/grafana #26488: with a label `lvl`, INF was unknown.
    ("info", "hi", {**WEB, "lvl": "INF"}),
    # python-logging-loki #17: the handler's label is `severity`; pages looked at `level` alone.
    ("error", "boom", {**WEB, "severity": "error"}),
)


@pytest.mark.parametrize("service", ["web", ""])
@pytest.mark.parametrize(("level", "text", "labels"), OTHERS)
async def test_a_level_is_found_where_others_saw_none_and_is_no_other(
    service: str, level: str, text: str, labels: dict[str, str]
) -> None:
    store = Store(Written(text, labels), Written("no level at all", WEB))
    assert texts(await search(store, service=service, level=level)) == {text}
    other = "info" if level == "error" else "error"
    assert texts(await search(store, service=service, level=other)) == set()


SPELLED = ("SEVERE", "eRRor", "E", "50", "err", "emerg", "warn", "Informational", "7")


def labelled(words: Sequence[str]) -> list[Written]:
    return [Written(f"line {word}", {**WEB, "level": word}) for word in words]


@pytest.mark.parametrize("service", ["web", ""])
async def test_a_streams_own_spelling_of_a_level_is_what_is_asked_for(service: str) -> None:
    store = Store(*labelled(SPELLED))
    page = await search(store, service=service, level="error")
    assert texts(page) == {f"line {word}" for word in SPELLED[:6]}
    assert 'level=~"50|E|SEVERE|eRRor|emerg|err"' in store.asked[0]


async def test_streams_with_and_without_the_label_are_both_read_when_no_service_is_named() -> None:
    other = Written("kaput", {"service": "api"}, {"detected_level": "error"})
    store = Store(*labelled(["error"]), other)
    assert texts(await search(store, level="error")) == {"line error", "kaput"}


async def test_no_line_of_a_level_says_which_levels_there_are() -> None:
    page = await search(Store(*labelled(["info", "7"])), service="web", level="error")
    assert page.lines == ()
    assert page.note == "no stream's level means error; there are '7', 'info'"


async def test_a_loki_that_cannot_list_values_is_asked_by_every_spelling() -> None:
    store = Store(*labelled(SPELLED), knows_values=False)
    page = await search(store, service="web", level="error")
    assert texts(page) == {f"line {word}" for word in SPELLED[:6]}


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("ERROR3", "error"), ("WARN", "warning"), ("Fatal4", "critical"), ("60", "critical"),
        ("ERRO", "error"), ("EROR", "error"), ("WRN", "warning"), ("FTL", "critical"),
        ("20", "debug"), ("W", "warning"), ("verbose", "debug"), (" Notice ", "info"),
        ("whatever", "whatever"),
    ],
)  # fmt: skip
def test_a_level_has_one_name_however_it_is_spelled(word: str, name: str) -> None:
    assert normal_level(word) == name


def test_an_error_may_be_critical_and_no_other_level_is_two() -> None:
    assert meets("FATAL", "error")
    assert not meets("error", "critical")
    assert not meets("warn", "info")


# ------------------------------------------------------------------------------ hidden words

COLOURED = Written("\x1b[31mERROR\x1b[0m: \x1b[1;33mconnection\x1b[0m refused", WEB)


async def test_colours_are_not_shown_and_hide_no_word() -> None:
    """grafana/loki #2861: a text that spans two colours was marked on the page and never found."""
    store = Store(COLOURED, Written("all is well", WEB))
    page = await search(store, service="web", text="error: connection refused")
    assert texts(page) == {"ERROR: connection refused"}
    assert len(store.asked) == 2  # plainly first: the other filter is slow and hard to read


async def test_a_word_that_is_found_plainly_is_not_looked_for_twice() -> None:
    store = Store(Written("connection refused", WEB))
    assert texts(await search(store, service="web", text="connection")) == {"connection refused"}
    assert len(store.asked) == 1


@pytest.mark.parametrize("text", ["连接被拒绝", "接続", "ไม่พบ", '"id":"a-1"', "a.b*[c]"])
async def test_words_are_found_in_any_script_and_inside_long_tokens(text: str) -> None:
    line = Written(f"错误{text}超时 x{text}y", WEB)
    page = await search(Store(line), service="web", text=text)
    assert texts(page) == {line.text}
    coloured = Written(f"\x1b[31m错误\x1b[0m {text}\x1b[0m!", WEB)
    assert len((await search(Store(coloured), service="web", text=f"{text}!")).lines) == 1
