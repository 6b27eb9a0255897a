"""The model that answers when no script is pushed: a few honest rules, no intelligence.

First turn: call up to four of the offered tools with arguments read from the question and the
schema. Next turn: quote the strongest line found in the results, with its evidence id. It makes up
nothing: every word about the system is copied from a tool result.
"""

import json
import re
from collections.abc import Iterator

from sandbox.model.protocol import Json
from sandbox.model.script import Turn, text, tool_use

PREFERRED = ("query_metric", "recent_changes", "list_events", "search_logs", "detect_anomalies")
MOST_CALLS = 4
EVIDENCE = re.compile(r"\bE\d+\b")
# what makes a line worth quoting, strongest first
SIGNS = (
    re.compile(r"OOMKill|out of memory", re.IGNORECASE),
    re.compile(r"\b(release|deploy|rollout|revision|image)\b", re.IGNORECASE),
    re.compile(r"deadline exceeded|timed out|error", re.IGNORECASE),
    re.compile(r"anomal|deviation|above|breach", re.IGNORECASE),
)
HINTS = (
    ("order_latency_p99", ("order latency", "latency", "slow")),
    ("memory_usage", ("memory", "oom", "leak")),
    ("order_error_rate", ("error", "failing", "fail")),
    ("cpu_usage", ("cpu", "load")),
    ("api_latency_p99", ("gateway", "api")),
)
LONGEST_QUOTE = 160


def answer(request: Json) -> Turn:
    """One turn: look first, then say what was found."""
    results = list(_results(request["messages"][-1]))
    if results:
        return Turn([text(_conclusion(results))])
    question = _question(request["messages"])
    if request.get("tool_choice", {}).get("type") != "none":
        calls = _calls(request.get("tools") or [], question)
        if calls:
            return Turn([text("I will look at the evidence first."), *calls])
    return Turn([text("I have no tool that could answer this, so I cannot say anything certain.")])


def _question(messages: list[Json]) -> str:
    content = messages[-1]["content"]
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block["type"] == "text")


def _results(last: Json) -> Iterator[tuple[str, bool]]:
    """Texts of the tool results in the last message, and whether each is a failure."""
    if isinstance(last["content"], str):
        return
    for block in last["content"]:
        if block["type"] != "tool_result":
            continue
        content = block.get("content", "")
        if isinstance(content, list):
            content = "\n".join(part.get("text", "") for part in content)
        yield content, bool(block.get("is_error"))


def _calls(tools: list[Json], question: str) -> list[Json]:
    offered = {tool["name"]: tool for tool in tools if "input_schema" in tool}
    calls: list[Json] = []
    for name in PREFERRED:
        if name not in offered or len(calls) == MOST_CALLS:
            continue
        arguments = _arguments(offered[name]["input_schema"], question)
        if arguments is not None:
            calls.append(tool_use(name, arguments))
    return calls


def _arguments(schema: Json, question: str) -> Json | None:
    """Arguments read from the question; None if a required one cannot be."""
    arguments: Json = {}
    required = schema.get("required", [])
    for name, described in schema.get("properties", {}).items():
        value = _value(name, _resolved(described, schema), question)
        if value is not None:
            arguments[name] = value
        elif name in required:
            return None
    return arguments


def _resolved(described: Json, schema: Json) -> Json:
    for option in (described, *described.get("anyOf", ()), *described.get("allOf", ())):
        if "$ref" in option:
            name = option["$ref"].rsplit("/", 1)[-1]
            found: Json = schema.get("$defs", {}).get(name, {})
            return found
        if "enum" in option:
            return dict(option)
    return described


def _value(name: str, described: Json, question: str) -> object:
    lowered = question.lower()
    options = [option for option in described.get("enum", ()) if isinstance(option, str)]
    for option in sorted(options, key=len, reverse=True):
        if option.lower() in lowered or option.replace("_", " ").replace("-", " ") in lowered:
            return option
    if "metric" in name:
        for metric, words in HINTS:
            if any(word in lowered for word in words) and (not options or metric in options):
                return metric
        return options[0] if options else "order_latency_p99"
    if "service" in name or name == "workload":
        found = re.search(r"\b(order[- ]api|[a-z]+-(?:engine|service|data|api)|gateway|ledger)\b",
                          lowered)  # fmt: skip
        if found:
            return found.group(1).replace(" ", "-")
        return "order-api" if "order" in lowered and not options else None
    return None


def _conclusion(results: list[tuple[str, bool]]) -> str:
    good = [words for words, failed in results if not failed]
    if not good:
        return "None of the tools answered, so I cannot say what is wrong."
    for sign in SIGNS:
        for words in good:
            line = next((part for part in _lines(words) if sign.search(part)), None)
            if line is not None:
                cited = _cited(line, words)
                others = _others(good, cited)
                return f"The strongest lead is: {_quote(line)}{cited}{others}"
    return f"I found nothing out of the ordinary.{_others(good, '')}"


def _lines(words: str) -> list[str]:
    """Lines of a result; of a JSON result the texts inside it."""
    try:
        held = json.loads(words)
    except ValueError:
        return [line.strip() for line in words.splitlines() if line.strip()]
    return [part for part in _texts(held) if " " in part]


def _texts(held: object) -> Iterator[str]:
    if isinstance(held, str):
        yield held
    elif isinstance(held, dict):
        for value in held.values():
            yield from _texts(value)
    elif isinstance(held, list):
        for value in held:
            yield from _texts(value)


def _quote(line: str) -> str:
    short = line if len(line) <= LONGEST_QUOTE else line[:LONGEST_QUOTE].rsplit(" ", 1)[0] + " …"
    return f'"{short}"'


def _cited(line: str, words: str) -> str:
    found = EVIDENCE.search(line) or EVIDENCE.search(words)
    return f" [{found.group()}]" if found else ""


def _others(good: list[str], cited: str) -> str:
    ids = []
    for words in good:
        found = EVIDENCE.search(words)
        if found and f"[{found.group()}]" not in cited and found.group() not in ids:
            ids.append(found.group())
    looked = " ".join(f"[{number}]" for number in ids)
    return f"\n\nI also looked at {looked}." if looked else ""
