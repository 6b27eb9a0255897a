"""What a fact is about, in one word: two writers of one theme name one mechanism."""

from __future__ import annotations

from functools import lru_cache

import re2

from tools.analysis.facts import Fact

_WORDS = {
    "memory": r"oom|out of memory|memory|heap",
    "disk": r"disk|no space|enospc|inode|read-only file|volume-full",
    "connections": r"connections?\b|pool|too many clients",
    "cpu": r"cpu|throttl",
    "lock": r"deadlock|lock wait|lock timeout|blocked by",
    "credential": r"credential|password|authenticat|unauthori[sz]ed|access denied|token|401|403",
    "certificate": r"certificate|x509|tls",
    "schema": r"schema|relation|column|migration",
    "image": r"image|registry",
    "name": r"no such host|resolv|unknown name|dns",
    "lag": r"lag|backlog|queue|consumer|rebalanc",
    "traffic": r"traffic|requests per|surge|rate limit|too many requests|429",
    "statement": r"statement|query|index|full scan",
    "config": r"config|setting|environment variable|flag",
    "port": r"port|refused|probe",
    "crash": r"exit|crash|panic|segfault",
}
_THEMES = tuple((name, re2.compile(f"(?i){words}")) for name, words in _WORDS.items())
LONGEST = 600  # characters of a sentence that are read


def themes_of(fact: Fact) -> frozenset[str]:
    """Return the themes of a fact, by what it is called, its metric and its words."""
    return _themes(f"{fact.predicate} {fact.metric.replace('_', ' ')} {fact.sentence}"[:LONGEST])


@lru_cache(maxsize=8_192)
def _themes(text: str) -> frozenset[str]:
    return frozenset(name for name, words in _THEMES if words.search(text))
