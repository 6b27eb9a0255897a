"""config_rollback: let a deployment use an earlier version of its configuration; images stay.

    an older ReplicaSet references another map   ──> reference that map again
    the map itself was edited, and the watch     ──> write the kept version as a map of its own,
    kept what it held before                         named by its content, and reference that one

Kubernetes keeps no history of a config map's data. The second way never edits the map in place:
pods start anew because their template changed, other users of the map are left alone, and the way
back is the reference to the edited map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tools.act.contract import Actors, Bound, Parameters, TargetState, UndoSpec
from tools.act.effects import EffectSet, Reached
from tools.act.objects import replica_sets
from tools.act.patching import PatchAction, Pinned
from tools.act.reach import Reach
from tools.errors import ActionRefusedError, LostRaceError, NotFoundError
from tools.kubernetes_objects import Json, config_hash, config_map_paths, meta, template_of
from tools.ports import ConfigVersion
from tools.world import DiffLine, WorkloadRef

LONGEST_NAME = 63
OLDEST = datetime.min.replace(tzinfo=UTC)
SOURCE = "sre-agent/version-of"  # annotation: the map whose earlier version this one holds


class ConfigRollbackParameters(Parameters):
    """Which config map reference goes back to which map."""

    config_map: str = ""  # as referenced now; empty when only one has changed
    to_config_map: str = ""  # empty: the last one before, of an older revision or kept
    data_sha256: str = ""
    restored: bool = False  # to_config_map is made from a kept version of config_map


@dataclass(frozen=True, slots=True)
class Earlier:
    """A version to go back to, and since when the present one is in use."""

    old: str  # the map referenced now
    new: str
    data: Mapping[str, str]
    sha256: str
    restored: bool
    since: datetime = OLDEST  # when the change was made that would be taken back


class ConfigRollback(PatchAction[ConfigRollbackParameters]):
    """Let a deployment use the configuration it used before."""

    name = "config_rollback"
    floor = 0.4
    kinds = ("Deployment",)
    parameters = ConfigRollbackParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: ConfigRollbackParameters
    ) -> Pinned:
        now = dict(config_map_paths(template_of(item)))
        if not now:
            raise ActionRefusedError(f"{ref} references no config map")
        if parameters.config_map and parameters.config_map not in now.values():
            raise NotFoundError(
                f"{ref} references no config map {parameters.config_map!r}: {sorted(now.values())}"
            )
        if parameters.config_map and parameters.to_config_map:
            chosen = await _named(actors, ref, parameters)
        else:
            chosen = await _last_change(actors, item, ref, now, parameters.config_map)
        if parameters.data_sha256 and parameters.data_sha256 != chosen.sha256:
            raise LostRaceError(f"config map {chosen.new!r} has other data than was approved")
        current = await _map(actors, ref, chosen.old)
        pinned = {
            "config_map": chosen.old,
            "to_config_map": chosen.new,
            "data_sha256": chosen.sha256,
            **({"restored": True} if chosen.restored else {}),
        }
        facts = {
            "before": dict(current.get("data") or {}),
            "after": dict(chosen.data),
            "before_sha256": config_hash(current),
        }
        return Pinned(pinned, facts)

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": template_of(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        new = str(pinned["to_config_map"])
        if not pinned.get("restored"):
            found = await _map(actors, ref, new)
            if config_hash(found) != pinned["data_sha256"]:
                raise LostRaceError(f"config map {new!r} has other data than was approved")
        return [
            {"op": "replace", "path": f"/spec/template{path}", "value": new}
            for path, name in config_map_paths(template_of(item))
            if name == pinned["config_map"]
        ]

    async def prepare(self, actors: Actors, bound: Bound, *, dry_run: bool) -> None:
        """Write the kept version as a map of its own; the same name is the same content."""
        asked = bound.parameters
        if not asked.get("restored"):
            return
        ref, old, new = bound.target, str(asked["config_map"]), str(asked["to_config_map"])
        version = await _kept(actors, ref, old, str(asked["data_sha256"]))
        present = await _map(actors, ref, old)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": new,
                "namespace": ref.namespace,
                "labels": meta(present).get("labels") or {},
                "annotations": {SOURCE: old},
            },
            "data": dict(version.data or {}),
        }
        cluster = actors.need_cluster(ref.cluster)
        try:
            found = await cluster.get(_map_ref(ref, new))
        except NotFoundError:
            await cluster.create(_map_ref(ref, new), body, dry_run=dry_run)
            return
        if config_hash(found) != asked["data_sha256"]:
            raise LostRaceError(f"config map {new!r} exists with other data than was approved")

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        whole = await reach.of_workload(item, ref.kind)
        if not pinned.parameters.get("restored"):
            return whole
        written = Reached(_map_ref(ref, str(pinned.parameters["to_config_map"])))
        return EffectSet.union([whole, EffectSet(objects=(written,))])

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        before, after = state.facts["before"], state.facts["after"]
        old, new = state.parameters["config_map"], state.parameters["to_config_map"]
        lines = [DiffLine("config map", str(old), str(new))]
        lines += [
            DiffLine(name, before.get(name, "(none)"), after.get(name, "(none)"))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
        return tuple(lines)

    def describe(self, state: TargetState) -> str:
        old, new = state.parameters["config_map"], state.parameters["to_config_map"]
        if state.parameters.get("restored"):
            return f"Let {state.target} use what config map {old} held before, as {new}"
        return f"Let {state.target} use config map {new} again instead of {old}"

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        old, new = state.parameters["config_map"], state.parameters["to_config_map"]
        return UndoSpec(
            action=self.name,
            target=state.target,
            parameters={
                "config_map": new,
                "to_config_map": old,
                "data_sha256": state.facts["before_sha256"],
            },
            summary=f"Let {state.target} use config map {old}",
        )


async def _named(actors: Actors, ref: WorkloadRef, asked: ConfigRollbackParameters) -> Earlier:
    """Return the version that a plan, or a way back, names exactly."""
    old, new = asked.config_map, asked.to_config_map
    if asked.restored:
        version = await _kept(actors, ref, old, asked.data_sha256)
        return Earlier(old, new, version.data or {}, version.sha256, restored=True)
    try:
        found = await _map(actors, ref, new)
    except NotFoundError as error:
        raise ActionRefusedError(
            f"config map {new!r} in {ref.namespace} was deleted; Kubernetes keeps no earlier "
            "version, so it must be restored from Git first"
        ) from error
    return Earlier(old, new, found.get("data") or {}, config_hash(found), restored=False)


async def _last_change(
    actors: Actors, item: Json, ref: WorkloadRef, now: Mapping[str, str], wanted: str
) -> Earlier:
    """Return what the last change of configuration replaced: a reference, or a map's own data."""
    history = await replica_sets(actors.need_cluster(ref.cluster), item)
    pair, since = _previous_map(now, history, wanted, ref)
    edited = await _edited(actors, ref, [wanted] if wanted else sorted(set(now.values())))
    if edited is not None and (pair is None or edited.since > _moment(since)):
        return edited
    if pair is None:
        raise ActionRefusedError(
            f"no kept revision of {ref} references another config map, and no other version of "
            "its maps was seen; nothing to go back to"
        )
    named = ConfigRollbackParameters(config_map=pair[0], to_config_map=pair[1])
    return await _named(actors, ref, named)


async def _edited(actors: Actors, ref: WorkloadRef, names: Sequence[str]) -> Earlier | None:
    """Return the newest edit in place of one of these maps that can be taken back."""
    if actors.config_history is None:
        return None
    found: list[Earlier] = []
    withheld = ""
    for name in names:
        present = config_hash(await _map(actors, ref, name))
        versions = await actors.config_history.versions_of(_map_ref(ref, name))
        since = OLDEST
        for version in versions:
            if version.sha256 == present:
                since = version.at
                continue
            if version.data is None:
                withheld = _withheld(name, version)
                break
            new = _name_of(name, version.sha256)
            edit = Earlier(name, new, version.data, version.sha256, restored=True, since=since)
            found.append(edit)
            break
    if withheld and not found:
        raise ActionRefusedError(withheld)
    return max(found, key=lambda each: each.since, default=None)


async def _kept(actors: Actors, ref: WorkloadRef, name: str, sha256: str) -> ConfigVersion:
    """Return one kept version of a map. Raises ActionRefusedError when it is not there."""
    versions = (
        await actors.config_history.versions_of(_map_ref(ref, name))
        if actors.config_history is not None
        else []
    )
    for version in versions:
        if version.sha256 == sha256:
            if version.data is None:
                raise ActionRefusedError(_withheld(name, version))
            return version
    raise ActionRefusedError(
        f"the approved version of config map {name!r} is no longer kept; propose the plan again"
    )


def _withheld(name: str, version: ConfigVersion) -> str:
    return (
        f"the version of config map {name!r} before the last change was not stored: "
        f"{version.withheld}; restore it from Git"
    )


def _previous_map(
    now: Mapping[str, str], history: list[Json], wanted: str, ref: WorkloadRef
) -> tuple[tuple[str, str] | None, str]:
    """Return (map now, map before) of the newest older revision that differs, and since when."""
    since = ""
    for each in history:
        then = dict(config_map_paths(template_of(each)))
        changed = {(now[p], then[p]) for p in now if p in then and then[p] != now[p]}
        if wanted:
            changed = {pair for pair in changed if pair[0] == wanted}
        if len(changed) > 1:
            names = ", ".join(sorted(old for old, _ in changed))
            raise ActionRefusedError(
                f"several config maps of {ref} changed ({names}); name one in `config_map`"
            )
        if changed:
            return changed.pop(), since
        since = str(meta(each).get("creationTimestamp", "")) or since
    return None, since


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp) if stamp else OLDEST


def _map_ref(ref: WorkloadRef, name: str) -> WorkloadRef:
    return WorkloadRef(ref.cluster, ref.namespace, "ConfigMap", name)


async def _map(actors: Actors, ref: WorkloadRef, name: str) -> Json:
    return await actors.need_cluster(ref.cluster).get(_map_ref(ref, name))


def _name_of(name: str, sha256: str) -> str:
    """Return the name of a restored version: the map's own with the content's hash."""
    return f"{name[: LONGEST_NAME - 11]}-{sha256[:10]}"
