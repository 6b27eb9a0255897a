"""Reading on in evidence: what a summary left out."""

from __future__ import annotations

from tools.contract import Risk, ToolResult, tool
from tools.errors import BadArgumentError
from tools.ports import EvidenceShelf


@tool(risk=Risk.READ)
async def read_evidence(shelf: EvidenceShelf, /, evidence_id: str, page: int = 2) -> ToolResult:
    """Turn the pages of evidence you already have: the full result behind its summary.

    Use it when a summary ends with "… more". It asks no backend; to look at another time or
    service call the tool again instead.

    Args:
        evidence_id: Number of the evidence in this thread, e.g. E3.
        page: 1 is the summary; the full result begins on page 2.
    """
    if page < 1:
        raise BadArgumentError(f"page {page!r}: pages are counted from 1")
    found = await shelf.page(evidence_id, page)
    where = f"{evidence_id.strip().upper()}, page {found.number}"
    if found.number > 1:
        where += f": lines {found.first} to {found.last} of {found.lines}"
    where += "; the last page" if found.is_last else f"; next is page {found.number + 1}"
    payload = {"evidence": evidence_id, "page": found.number, "lines": found.lines}
    return ToolResult(f"{where}\n{found.text}", payload, value=found)
