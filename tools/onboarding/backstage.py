"""Backstage's `catalog-info.yaml`: components, their owners, and what they depend on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foundation.yaml_file import YamlFileError, parse_yaml
from tools.errors import BadArgumentError
from tools.onboarding.service_drafts import Described

FILE_NAMES = ("catalog-info.yaml", "catalog-info.yml")
MOST_FILES = 2_000
_BREAK = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)


class BackstageError(BadArgumentError):
    """A catalogue file cannot be read; the message names file and line."""


def find_files(place: Path) -> list[Path]:
    """Return the catalogue files at a place: itself, or all below a folder."""
    if place.is_file():
        return [place]
    found = [path for name in FILE_NAMES for path in sorted(place.rglob(name))]
    return found[:MOST_FILES]


def read_components(path: Path) -> list[Described]:
    """Read the components of one file, which may hold several documents."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackstageError(f"{path}: {error}") from error
    found: list[Described] = []
    line, start = 1, 0
    for end in [*(hit.start() for hit in _BREAK.finditer(text)), len(text)]:
        part = _BREAK.sub("", text[start:end], count=1)
        try:
            value = parse_yaml(part, str(path), first_line=line).value
        except YamlFileError as error:
            raise BackstageError(str(error)) from error
        if isinstance(value, Mapping) and value.get("kind") in {"Component", "Resource"}:
            found.append(_component(value))
        line, start = line + text[start:end].count("\n"), end
    return [each for each in found if each.name]


def _component(value: Mapping[str, Any]) -> Described:
    about, spec = _mapping(value.get("metadata")), _mapping(value.get("spec"))
    notes = _mapping(about.get("annotations"))
    names = [notes.get("backstage.io/kubernetes-id"), about.get("title")]
    depends = spec.get("dependsOn")
    links = [_mapping(each) for each in about.get("links") or () if isinstance(each, Mapping)]
    return Described(
        name=str(about.get("name") or ""),
        team=_short(spec.get("owner")),
        system=_short(spec.get("system")),
        calls=tuple(_short(each) for each in depends) if isinstance(depends, list) else (),
        names=frozenset(str(each) for each in names if each),
        dashboards=_links(links, "dashboard", "grafana"),
        runbooks=_links(links, "runbook", "playbook"),
    )


def _links(links: list[Mapping[str, Any]], *words: str) -> tuple[str, ...]:
    """Return the addresses whose title, type or icon says one of the words."""
    return tuple(
        str(each["url"])
        for each in links
        if str(each.get("url", "")).startswith("http")
        and any(
            word in str(each.get(key, "")).lower()
            for key in ("title", "type", "icon")
            for word in words
        )
    )


def _short(reference: object) -> str:
    """Return the name in a reference: `group:default/team-a` is team-a."""
    return str(reference or "").rpartition("/")[2].rpartition(":")[2]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
