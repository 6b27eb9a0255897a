"""Actions on a workload's pod template: restart, roll back to a revision, roll back a config map.

A Deployment keeps its history in ReplicaSets; a rollback writes an older set's template into the
deployment, exactly, as a JSON patch (a merge would keep what the old revision did not have).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from tools.act.contract import Actors, DiffLine, Parameters, State, UndoSpec, fingerprint_of
from tools.act.objects import (
    RESTARTED_AT,
    Json,
    bare_template,
    config_hash,
    essence,
    meta,
    pointer,
    replica_sets,
    revision_of,
    template_diff,
)
from tools.act.patching import PatchAction, Pinned
from tools.errors import ActionRefusedError, LostRaceError, NotFoundError
from tools.world import WorkloadRef


def _template(item: Json) -> dict[str, Any]:
    template: dict[str, Any] = (item.get("spec") or {}).get("template") or {}
    return template


class RestartParameters(Parameters):
    """Nothing needs to be said; `restarted_at` is pinned when the plan is made."""

    restarted_at: str = ""


class RolloutRestart(PatchAction[RestartParameters]):
    """Replace all pods of a workload one after another, as `kubectl rollout restart` does."""

    name = "rollout_restart"
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    parameters = RestartParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: RestartParameters
    ) -> Pinned:
        if (item.get("spec") or {}).get("paused"):
            raise ActionRefusedError(f"{ref} is paused; resume its rollout first")
        at = parameters.restarted_at or actors.clock.now().isoformat(timespec="seconds")
        return Pinned({"restarted_at": at})

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": _template(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        at = pinned["restarted_at"]
        own = _template(item).get("metadata") or {}
        place = ["spec", "template", "metadata", "annotations"]
        if own.get("annotations") is None:
            return [{"op": "add", "path": pointer(*place), "value": {RESTARTED_AT: at}}]
        return [{"op": "add", "path": pointer(*place, RESTARTED_AT), "value": at}]

    def diff(self, state: State) -> tuple[DiffLine, ...]:
        own = (state.fields["template"].get("metadata") or {}).get("annotations") or {}
        before = str(own.get(RESTARTED_AT, "(never)"))
        return (DiffLine("restartedAt", before, str(state.parameters["restarted_at"])),)

    def describe(self, state: State) -> str:
        return f"Restart all {state.facts['replicas']} pods of {state.target}, one after another"


class RollbackParameters(Parameters):
    """Which revision; without any, the newest older one that differs in substance."""

    to_revision: int = Field(0, ge=0)
    replica_set: str = ""
    template_sha256: str = ""


class DeploymentRollback(PatchAction[RollbackParameters]):
    """Put an older revision's pod template back, as `kubectl rollout undo` does."""

    name = "deployment_rollback"
    floor = 0.4
    kinds = ("Deployment",)
    parameters = RollbackParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: RollbackParameters
    ) -> Pinned:
        if (item.get("spec") or {}).get("paused"):
            raise ActionRefusedError(f"{ref} is paused; resume its rollout first")
        history = await replica_sets(actors.need_cluster(), item)
        current = essence(_template(item))
        running = next(
            (each for each in history if essence(_template(each)) == current),
            history[0] if history else None,
        )
        chosen = _choose(history, running, parameters, ref)
        target = bare_template(_template(chosen))
        if essence(target) == current:
            raise ActionRefusedError(f"{ref} already runs revision {revision_of(chosen)}")
        pinned = {
            "to_revision": revision_of(chosen),
            "replica_set": meta(chosen)["name"],
            "template_sha256": fingerprint_of(target),
        }
        facts: dict[str, Any] = {"template": target, "from_revision": revision_of(item)}
        if running is not None:
            facts["running_set"] = meta(running)["name"]
            facts["running_revision"] = revision_of(running)
            facts["running_sha256"] = fingerprint_of(bare_template(_template(running)))
        return Pinned(pinned, facts)

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": _template(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        name = str(pinned["replica_set"])
        set_ref = WorkloadRef(ref.cluster, ref.namespace, "ReplicaSet", name)
        template = bare_template(_template(await actors.need_cluster().get(set_ref)))
        if fingerprint_of(template) != pinned["template_sha256"]:
            raise LostRaceError(f"{set_ref} no longer holds the template that was approved")
        return [{"op": "replace", "path": "/spec/template", "value": template}]

    def diff(self, state: State) -> tuple[DiffLine, ...]:
        return template_diff(state.fields["template"], state.facts["template"])

    def describe(self, state: State) -> str:
        here = state.facts.get("running_revision") or state.facts["from_revision"]
        back = state.parameters["to_revision"]
        return f"Roll {state.target} back from revision {here} to revision {back}"

    def git_change(self, parameters: RollbackParameters) -> str:
        return "revert the commit that changed the image or the template"

    def undo_of(self, state: State) -> UndoSpec | None:
        if "running_set" not in state.facts:
            return None
        revision = state.facts["running_revision"]
        return UndoSpec(
            action=self.name,
            target=state.target,
            parameters={
                "to_revision": 0,
                "replica_set": state.facts["running_set"],
                "template_sha256": state.facts["running_sha256"],
            },
            summary=f"Put revision {revision} of {state.target} back",
        )


def _choose(
    history: list[Json], running: Json | None, asked: RollbackParameters, ref: WorkloadRef
) -> Json:
    known = ", ".join(str(revision_of(each)) for each in history) or "none"
    if asked.replica_set:
        for each in history:
            if meta(each)["name"] == asked.replica_set:
                return each
        raise NotFoundError(f"{ref} has no ReplicaSet {asked.replica_set!r}")
    if asked.to_revision:
        for each in history:
            if revision_of(each) == asked.to_revision:
                return each
        raise NotFoundError(
            f"{ref} keeps no revision {asked.to_revision!r}; it keeps revisions: {known}"
        )
    if running is not None:
        now = essence(_template(running))
        for each in history:
            if revision_of(each) < revision_of(running) and essence(_template(each)) != now:
                return each
    raise ActionRefusedError(f"{ref} keeps no older revision to go back to (revisions: {known})")


class ConfigRollbackParameters(Parameters):
    """Which config map reference goes back to which map."""

    config_map: str = ""  # as referenced now; empty when only one has changed
    to_config_map: str = ""  # empty: the one the newest differing older revision references
    data_sha256: str = ""


class ConfigRollback(PatchAction[ConfigRollbackParameters]):
    """Let a deployment use the config map an older revision used; images stay.

    Kubernetes keeps no history of a config map's data: the previous version is the map an older
    ReplicaSet references, as long as it still exists.
    """

    name = "config_rollback"
    floor = 0.4
    kinds = ("Deployment",)
    parameters = ConfigRollbackParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: ConfigRollbackParameters
    ) -> Pinned:
        cluster = actors.need_cluster()
        now = dict(config_map_paths(_template(item)))
        if not now:
            raise ActionRefusedError(f"{ref} references no config map")
        old, new = parameters.config_map, parameters.to_config_map
        if not (old and new):
            old, new = _previous_map(now, await replica_sets(cluster, item), old, ref)
        if old not in now.values():
            raise NotFoundError(f"{ref} references no config map {old!r}: {sorted(now.values())}")
        try:
            found = await cluster.get(WorkloadRef(ref.cluster, ref.namespace, "ConfigMap", new))
        except NotFoundError as error:
            raise ActionRefusedError(
                f"config map {new!r} in {ref.namespace} was deleted; Kubernetes keeps no earlier "
                "version, so it must be restored from Git first"
            ) from error
        pinned = {"config_map": old, "to_config_map": new, "data_sha256": config_hash(found)}
        if parameters.data_sha256 and parameters.data_sha256 != pinned["data_sha256"]:
            raise LostRaceError(f"config map {new!r} has other data than was approved")
        current = await cluster.get(WorkloadRef(ref.cluster, ref.namespace, "ConfigMap", old))
        return Pinned(
            pinned,
            {
                "before": dict(current.get("data") or {}),
                "after": dict(found.get("data") or {}),
                "before_sha256": config_hash(current),
            },
        )

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": _template(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        new = str(pinned["to_config_map"])
        found = await actors.need_cluster().get(
            WorkloadRef(ref.cluster, ref.namespace, "ConfigMap", new)
        )
        if config_hash(found) != pinned["data_sha256"]:
            raise LostRaceError(f"config map {new!r} has other data than was approved")
        return [
            {"op": "replace", "path": f"/spec/template{path}", "value": new}
            for path, name in config_map_paths(_template(item))
            if name == pinned["config_map"]
        ]

    def diff(self, state: State) -> tuple[DiffLine, ...]:
        before, after = state.facts["before"], state.facts["after"]
        old, new = state.parameters["config_map"], state.parameters["to_config_map"]
        lines = [DiffLine("config map", str(old), str(new))]
        lines += [
            DiffLine(name, before.get(name, "(none)"), after.get(name, "(none)"))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
        return tuple(lines)

    def describe(self, state: State) -> str:
        old, new = state.parameters["config_map"], state.parameters["to_config_map"]
        return f"Let {state.target} use config map {new} again instead of {old}"

    def undo_of(self, state: State) -> UndoSpec | None:
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


def config_map_paths(template: Json) -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer inside the template, config map name) for every reference."""
    spec = template.get("spec") or {}
    for v, volume in enumerate(spec.get("volumes") or ()):
        if "configMap" in volume:
            yield pointer("spec", "volumes", v, "configMap", "name"), volume["configMap"]["name"]
        for s, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            if "configMap" in source:
                place = ("spec", "volumes", v, "projected", "sources", s, "configMap", "name")
                yield pointer(*place), source["configMap"]["name"]
    for group in ("initContainers", "containers"):
        for c, container in enumerate(spec.get(group) or ()):
            base = ("spec", group, c)
            for e, source in enumerate(container.get("envFrom") or ()):
                if "configMapRef" in source:
                    yield (
                        pointer(*base, "envFrom", e, "configMapRef", "name"),
                        source["configMapRef"]["name"],
                    )
            for e, variable in enumerate(container.get("env") or ()):
                key = (variable.get("valueFrom") or {}).get("configMapKeyRef")
                if key:
                    yield (
                        pointer(*base, "env", e, "valueFrom", "configMapKeyRef", "name"),
                        key["name"],
                    )


def _previous_map(
    now: Mapping[str, str], history: list[Json], wanted: str, ref: WorkloadRef
) -> tuple[str, str]:
    for each in history:
        then = dict(config_map_paths(_template(each)))
        changed = {(now[p], then[p]) for p in now if p in then and then[p] != now[p]}
        if wanted:
            changed = {pair for pair in changed if pair[0] == wanted}
        if len(changed) > 1:
            names = ", ".join(sorted(old for old, _ in changed))
            raise ActionRefusedError(
                f"several config maps of {ref} changed ({names}); name one in `config_map`"
            )
        if changed:
            return changed.pop()
    raise ActionRefusedError(
        f"no kept revision of {ref} references another config map; nothing to go back to"
    )
