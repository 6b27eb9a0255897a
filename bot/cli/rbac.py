"""`rbac`: what the acting identity must be allowed in Kubernetes."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.cli.ending import fail, settings


def rbac(
    actions: Annotated[
        list[str] | None, typer.Argument(help="Actions; default: those your playbooks use.")
    ] = None,
) -> None:
    """Print the ClusterRole of the acting identity; bind it per namespace with a RoleBinding."""
    from foundation.nearest import nearest
    from tools.act.rbac import NEEDS, render

    wanted = sorted(set(actions)) if actions else _used()
    for name in wanted:
        if name not in NEEDS:
            raise fail(f"there is no action {name!r}.{nearest(name, NEEDS)}")
    typer.echo(render(wanted), nl=False)


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
