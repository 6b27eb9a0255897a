"""A pattern of Python's own `re` reads foreign text only where its time was tried or is bounded.

`re` can take quadratic or exponential time; RE2 cannot, and is what a new pattern is written for.
A module that compiles a pattern with `re` is tried by tests/property/test_linear_texts.py, or says
here why it needs not be.
"""

import ast
from collections.abc import Iterable

from tests.architecture.source import OURS, dotted, sources

TRIED = frozenset({  # by tests/property/test_linear_texts.py
    "bot/core/investigation/figures/release.py", "bot/core/investigation/investigator/intent.py",
    "bot/core/reports/postmortem_text.py", "bot/slack/blocks/markdown.py",
    "bot/slack/blocks/text.py", "knowledge/documents.py",
    "tools/analysis/log_headers.py", "tools/analysis/log_masks.py",
    "tools/analysis/log_templates.py", "tools/backends/logql.py", "tools/tokens.py",
})  # fmt: skip
ONE_FIELD = "matches the whole of one short field, and nothing in it can be read in two ways"
OWN_FILE = "reads files of the people who run the bot, up to the cap of their reader"
BOUNDED = {
    "bot/cli/database.py": ONE_FIELD,
    "bot/composition/config_doubts.py": ONE_FIELD,
    "bot/core/investigation/recorder.py": "looks for fixed lengths and the beginnings of lines",
    "bot/settings/notification.py": ONE_FIELD,
    "bot/settings/sections.py": ONE_FIELD,
    "bot/settings/secret_keys.py": "names of our own keys",
    "bot/settings/variables.py": OWN_FILE,
    "bot/slack/app.py": ONE_FIELD,
    "bot/slack/front_door.py": "matches anything, for Bolt",
    "bot/slack/interactions.py": ONE_FIELD,
    "bot/slack/listeners/commands.py": ONE_FIELD,
    "bot/slack/listeners/incidents.py": "looks for fixed lengths, ids up to the end of their word",
    "bot/store/audit_chain.py": ONE_FIELD,
    "tools/analysis/metric_facts/onset.py": OWN_FILE,
    "foundation/cron.py": OWN_FILE,
    "foundation/yaml_file.py": "looks for one character",
    "foundation/yaml_edit.py": "looks at the beginning of each line, once",
    "foundation/yaml_scalars.py": "reads one scalar, of at most 64 characters where it is long",
    "foundation/yaml_tree.py": "looks for one character",
    "knowledge/store.py": "splits a question into words, each character once",
    "playbooks/schema.py": OWN_FILE,
    "playbooks/templates.py": "looks at the beginning of a text, once",
    "playbooks/triggers.py": "refuses expressions above 500 characters",
    "prompts/__init__.py": "our own templates",
    "tools/act/actions.py": ONE_FIELD,
    "tools/backends/prometheus/matrix.py": "steps over an answer once, for its openings",
    "tools/backends/prometheus/parting.py": "steps over an expression, each character once",
    "tools/backends/tracing.py": ONE_FIELD,
    "tools/catalog.py": ONE_FIELD,
    "tools/contract.py": "our own docstrings",
    "tools/metrics_and_services.py": "words that a library says it expected",
    "tools/onboarding/backstage.py": OWN_FILE,
    "tools/onboarding/conventions.py": "our own files, once a placeholder",
    "tools/onboarding/drafts.py": "our own files",
    "tools/onboarding/families.py": "splits a metric's or label's name, each character once",
    "tools/observe/promql.py": "refuses expressions above 5,000 characters",
    "tools/observe/traces.py": ONE_FIELD,
    "tools/world/names.py": "matches at most 63 characters, from the beginning",
}
BUILT = {  # patterns that are put together when they are needed, each from words that are escaped
    "bot/core/investigation/investigator/intent.py",
    "tools/analysis/log_headers.py",
}  # fmt: skip


def calls(nodes: Iterable[ast.AST]) -> list[ast.Call]:
    """Return every call of a function of `re` that is given a pattern."""
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call)
        and dotted(node.func).partition(".")[0] == "re"
        and dotted(node.func) not in {"re.escape", "re.error"}
    ]


def test_every_module_with_a_pattern_of_re_is_tried_or_says_why_not() -> None:
    found = {source.path for source in sources(*OURS) if calls(source.nodes)}
    listed = TRIED | BOUNDED.keys()
    assert not TRIED & BOUNDED.keys()
    assert {"new": found - listed, "gone": listed - found} == {"new": set(), "gone": set()}


def test_a_pattern_that_somebody_else_writes_is_given_to_re2() -> None:
    built = {
        source.path
        for source in sources(*OURS)
        for function in source.nodes
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for call in calls(ast.walk(function))
        if not isinstance(call.args[0], ast.Constant)
    }
    assert built == BUILT
