"""`rbac`: what the acting identity must be allowed in Kubernetes."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.ending import fail, settings
from tools.act.admission import IDENTITY, Protected


def rbac(
    actions: Annotated[
        list[str] | None, typer.Argument(help="Actions; default: those your playbooks use.")
    ] = None,
    identity: Annotated[
        str, typer.Option(help="User name of the acting identity, as the API server knows it.")
    ] = IDENTITY,
) -> None:
    """Print the ClusterRole of the acting identity, and what admission refuses it.

    Bind the role per namespace with a RoleBinding. The ValidatingAdmissionPolicy holds what the
    configuration protects: print it again when that changes.
    """
    from foundation.nearest import nearest
    from tools.act import admission
    from tools.act.rbac import NEEDS, render

    wanted = sorted(set(actions)) if actions else _used()
    for name in wanted:
        if name not in NEEDS:
            raise fail(f"there is no action {name!r}.{nearest(name, NEEDS)}")
    typer.echo(render(wanted), nl=False)
    typer.echo(admission.render(_protected(identity), identity), nl=False)


def _protected(identity: str) -> Protected:
    """Return what the configuration protects; the identity says where the bot lives."""
    from bot.domain.plans.policy import OwnProtection
    from tools.act import admission

    policy = settings().policy
    own = {policy.own.namespace, admission.namespace_of(identity)} - {""}
    spaces = {*policy.protected_namespaces}
    if policy.own.protection is OwnProtection.NAMESPACE:
        spaces |= own
    return Protected(sorted(spaces), policy.protected_labels)


def _used() -> list[str]:
    from playbooks.loader import PlaybookError, load_library
    from tools.act.actions import load_actions
    from tools.act.rbac import NEEDS
    from tools.extensions import ExtensionError

    files = settings().files
    try:
        actions = load_actions(files.actions)
        library = load_library(files.playbooks, actions)
    except (PlaybookError, ExtensionError) as error:
        raise fail(str(error)) from error
    steps = [step for loaded in library.values() for step in loaded.playbook.steps]
    undone = [step.undo.action for step in steps if step.undo is not None]
    used = {*(step.action for step in steps), *undone}
    return sorted(used & NEEDS.keys())  # the rules of your own actions you know yourself
