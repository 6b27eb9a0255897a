"""What rules and playbooks ask for and the catalogue has not: told once, all of it together."""

from __future__ import annotations

from collections.abc import Collection

from foundation.nearest import nearest
from playbooks.loader import LibraryRead
from tools.rules import RulesRead
from tools.world import ROLE, Catalogue

FILL_IN = (
    "the catalogue of metrics is empty: `python -m bot init` fills it in from a live Prometheus; "
    "what earlier versions shipped is below config/profiles; SRE_AGENT_CONFIG names a config.yaml"
)


def lacking_of(catalogue: Catalogue, rules: RulesRead, playbooks: LibraryRead) -> tuple[str, ...]:
    """Return one line for each rule and playbook that is left out, whole or in part."""
    if not catalogue.metrics:
        return (FILL_IN,)
    named = sorted(catalogue.named)
    told = [
        f"rule {name!r} is left out, it asks for {_with_hints(asked, named)}"
        for name, asked in rules.lacking.items()
    ]
    for name, asked in playbooks.lacking.items():
        how = "serves without" if name in playbooks.library else "is left out, it asks for"
        told.append(f"playbook {name!r} {how} {_with_hints(asked, named)}")
    for name, loaded in playbooks.library.items() if catalogue.services else ():
        if (only := loaded.playbook.services) and not set(only) & set(catalogue.services):
            told.append(f"playbook {name!r} fits nothing, it is for {', '.join(only)} alone")
    if silent := sorted(n for n, spec in catalogue.metrics.items() if spec.role is None):
        told.append(f"no role is said of {', '.join(silent)}: what speaks of roles passes them by")
    return tuple(told)


def _with_hints(asked: str, named: Collection[str]) -> str:
    """Return names, each with the nearest that is there; another role is no misspelt one."""
    told = []
    for name in asked.split(", "):
        hint = "" if name.startswith(ROLE) else nearest(name, named)
        told.append(f"{name} ({hint.strip()})" if hint.startswith(" Did") else name)
    return ", ".join(told)
