"""`knowledge add | search | reindex | stats`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bot.cli.ending import carry_out, fail, one_line, settings, show_json

app = typer.Typer(no_args_is_help=True, help="The knowledge base: runbooks and postmortems.")
Json = Annotated[bool, typer.Option("--json", help="Print one object.")]


@app.command()
def add(
    paths: Annotated[list[Path], typer.Argument(help="Markdown files with front matter.")],
) -> None:
    """Add or replace documents."""
    typer.echo(f"{carry_out(_add(paths))} documents added")


async def _add(paths: list[Path]) -> int:
    from bot.main import open_knowledge
    from knowledge.documents import read_document

    # Their path stays empty: what was added by hand survives a reindex of the folder.
    documents = [_without_path(read_document(path, str(path))) for path in paths]
    async with open_knowledge(settings()) as index:
        return await index.add(documents)


def _without_path(document: Any) -> Any:
    from dataclasses import replace

    return replace(document, path="")


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for, in plain words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=50)] = 5,
    kind: Annotated[str, typer.Option(help="runbook, postmortem, issue or solution.")] = "",
    as_json: Json = False,
) -> None:
    """Find documents, best first."""
    from dataclasses import asdict

    from knowledge.documents import KINDS

    if kind and kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(KINDS)}", param_hint="--kind")
    hits = carry_out(_search(text, limit, kind))
    if as_json:
        show_json({"hits": [asdict(hit) for hit in hits]})
        return
    if not hits:
        raise fail(f"nothing found for {text!r}; `knowledge stats` shows what there is")
    for hit in hits:
        typer.echo(f"{hit.score:6.2f} {hit.kind:<10} {one_line(hit.title)} ({hit.id})")
        typer.echo(f"       {one_line(hit.snippet)}")


async def _search(text: str, limit: int, kind: str) -> list[Any]:
    from bot.main import open_knowledge

    async with open_knowledge(settings()) as index:
        return list(await index.search(text, limit, kind or None))


@app.command()
def reindex(
    folder: Annotated[Path, typer.Argument(help="The folder with the Markdown files.")] = Path(
        "knowledge"
    ),
) -> None:
    """Make the index hold the folder's documents and those added by hand."""
    typer.echo(f"{carry_out(_reindex(folder))} documents indexed")


async def _reindex(folder: Path) -> int:
    from bot.main import open_knowledge

    async with open_knowledge(settings()) as index:
        return await index.reindex(folder)


@app.command()
def stats(as_json: Json = False) -> None:
    """Count what the knowledge base holds."""
    found = carry_out(_stats())
    if as_json:
        show_json(found)
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(found["by_kind"].items()))
    typer.echo(f"{found['documents']} documents ({kinds or 'none'}) in {found['uri']}")
    typer.echo("search by words and meaning" if found["semantic"] else "search by words")


async def _stats() -> dict[str, Any]:
    from bot.main import open_knowledge

    async with open_knowledge(settings()) as index:
        told = await index.stats()
    return {
        "documents": told.documents,
        "by_kind": dict(told.by_kind),
        "semantic": told.semantic,
        "uri": told.uri,
    }
