"""Foreign Markdown for Slack's markdown blocks and streams, written anew from a parser's tree.

    text ──shown──> markdown-it ──tree──> the same Markdown, in which nothing acts but what may

What a parser takes for a link is one only where its host is known; any other is its label with the
address as code, which Slack links nowhere. What it takes for text is written so that neither Slack
nor the piece of a stream before or behind it can take it for a link, a ping or markup of Slack.
Definitions of links and HTML are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from urllib.parse import urlsplit

import re2
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from foundation.hidden import readable

LONGEST = 16_000  # characters that are read; a message holds 12,000
DEEPEST = 20  # blocks inside each other; what lies deeper the parser drops, so it is read as text
BREAK = "\u2060"  # word joiner: it is not seen, and what it stands in is no markup any more
# What searches for an end that may be missing is RE2's: linear, whatever stands there instead.
_ADDRESS = re2.compile(r"(?i)([a-z][a-z0-9+.-]*://|www\.)[^\s<>`\"']+")
_ENTITY = re2.compile(r"&(#?\w{1,40};)")
NAMED_PING = re.compile(r"@(?=(?:channel|here|everyone)\b)", re.IGNORECASE)
_PING = re.compile(r"<(?=[!@#])")  # in code too: nobody documents that Slack leaves it alone there
_ACTS = re.compile(r"<(?=[!@#/a-zA-Z]|\Z)")  # a ping, a link of Slack's, a tag
_SYNTAX = re.compile(r"\](?=[(\[])")  # what makes a label in brackets a link
_DEFINES = re2.compile(r"^([^\[\]]*(?:\[[^\[\]]*)?\]):")  # what says where a label leads to
_FENCE = re.compile(r" {0,3}(?:[-*+>] +|\d{1,9}[.)] +)*(```+|~~~+)")
_ESCAPES = re.compile(r"\\(?=[!-/:-@\[-`{-~]|\Z)")  # a backslash that would be taken for one
_PARSER = (
    MarkdownIt("commonmark", {"maxNesting": DEEPEST})
    .enable("strikethrough")
    .disable(["code", "reference", "html_block", "html_inline"])
)

Hosts = Collection[str]


def markdown(text: str, hosts: Hosts = ()) -> str:
    """Return Markdown whose pings are defused and whose links lead to known hosts only.

    Of a longer text the first `LONGEST` characters: whoever has more to say cuts it before.
    """
    shown = readable(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
    body = shown.strip()
    if not body:
        return shown
    start = shown.index(body)
    lead, tail = shown[:start], shown[start + len(body) :]
    tree = SyntaxTreeNode(_PARSER.parse(body))
    if any(node.level >= DEEPEST - 1 for node in tree.walk() if not node.is_root):
        return f"{lead}{_text(body, hosts)}{tail}"
    written = _Writer(body.split("\n"), hosts).blocks(tree)
    return f"{lead}{written}{tail}"


def going_on(text: str, before: str, hosts: Hosts = ()) -> str:
    """Return a later piece of a stream, so that nothing begins in what was shown `before` it."""
    shown = markdown(text, hosts)
    if not before or before.endswith("\n"):
        return shown
    if shown.startswith(("```", "~~~")):
        return f"\n{shown}"
    return f"{BREAK}{shown}" if shown[:1] in {"(", ":", "`"} else shown


def whole(text: str) -> tuple[str, str]:
    """Split a stream's text into what can be shown and what must wait for its end.

    A block of code, and a line in which code has begun, wait until they are whole.
    """
    lines = text.splitlines(keepends=True)
    opened, fence = len(lines), ""
    for number, line in enumerate(lines):
        mark = _FENCE.match(line)
        if mark is None:
            continue
        if not fence:
            opened, fence = number, mark[1]
        elif mark[1].startswith(fence):
            opened, fence = len(lines), ""
    if not fence and lines and lines[-1].count("`") % 2:
        opened = len(lines) - 1
    return "".join(lines[:opened]), "".join(lines[opened:])


def is_known(url: str, hosts: Hosts) -> bool:
    """Say whether a link's host is on the allow-list, however somebody writes the address."""
    if not url.isascii() or not url.isprintable() or "\\" in url or " " in url:
        return False  # browsers and libraries do not agree where such an address leads
    try:
        parts = urlsplit(url)
        name = parts.hostname
    except ValueError:
        return False
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc:
        return False
    return parts.netloc.lower() in hosts or name in hosts


def _text(text: str, hosts: Hosts) -> str:
    """Return text as Markdown in which nothing acts, but addresses of known hosts stay links."""
    parts: list[str] = []
    at = 0
    for match in _ADDRESS.finditer(text):
        address = match[0].rstrip(".,;:!?)]}*_~")
        parts += [_bare(text[at : match.start()]), _address(address, hosts)]
        at = match.start() + len(address)
    return "".join([*parts, _bare(text[at:])])


def _address(address: str, hosts: Hosts) -> str:
    return address if is_known(address, hosts) else code_span(address)


def _bare(text: str) -> str:
    safe = _ESCAPES.sub(r"\\\\", text).replace("`", "\\`")
    safe = _DEFINES.sub(lambda match: f"{match[1]}{BREAK}:", _SYNTAX.sub(f"]{BREAK}", safe))
    safe = _ACTS.sub(f"<{BREAK}", safe)
    safe = NAMED_PING.sub(f"@{BREAK}", safe)
    return _ENTITY.sub(lambda match: f"&{BREAK}{match[1]}", safe) if "&" in safe else safe


def code_span(text: str) -> str:
    """Return text as inline code, whatever it holds."""
    flat = _PING.sub(f"<{BREAK}", text.replace("`", "'").strip())
    return f"`{flat}`" if flat else ""


class _Writer:
    """Writes a tree as Markdown; blocks stand apart as they did in the source."""

    def __init__(self, lines: Sequence[str], hosts: Hosts) -> None:
        self._lines, self._hosts = lines, hosts

    def blocks(self, parent: SyntaxTreeNode) -> str:
        """Write the blocks below a node."""
        written: list[str] = []
        for node in parent.children:
            if written:
                written.append("\n\n" if self._stands_apart(node) else "\n")
            written.append(self._block(node))
        return "".join(written)

    def _stands_apart(self, node: SyntaxTreeNode) -> bool:
        first = node.map[0] if node.map else 0
        return first > 0 and not self._lines[first - 1].strip(" >\t")

    def _block(self, node: SyntaxTreeNode) -> str:
        write: Callable[[SyntaxTreeNode], str] = {
            "paragraph": self._inline,
            "heading": self._heading,
            "bullet_list": self.blocks,
            "ordered_list": self.blocks,
            "list_item": self._item,
            "blockquote": self._quote,
            "fence": _fence,
            "hr": lambda each: each.markup[:1] * 3,
        }[node.type]
        return write(node)

    def _heading(self, node: SyntaxTreeNode) -> str:
        if node.markup in {"-", "="}:
            return f"{self._inline(node)}\n{node.markup * 3}"
        return f"{node.markup} {self._inline(node)}"

    def _item(self, node: SyntaxTreeNode) -> str:
        mark = f"{node.info}{node.markup}"  # an ordered one carries its number
        return f"{mark} {_indented(self.blocks(node), ' ' * (len(mark) + 1))}"

    def _quote(self, node: SyntaxTreeNode) -> str:
        return "\n".join(f"> {line}".rstrip() for line in self.blocks(node).split("\n"))

    def _inline(self, node: SyntaxTreeNode) -> str:
        return "".join(map(self._run, node.children))

    def _run(self, node: SyntaxTreeNode) -> str:
        match node.type:
            case "text":
                return _text(node.content, self._hosts)
            case "softbreak" | "hardbreak":
                return "\n"
            case "code_inline":
                return code_span(node.content)
            case "link" | "image":
                return self._link(node)
            case "inline":
                return self._inline(node)
            case _:  # em, strong, s
                return f"{node.markup}{self._inline(node)}{node.markup}"

    def _link(self, node: SyntaxTreeNode) -> str:
        target = str(node.attrs.get("href") or node.attrs.get("src") or "")
        label = self._inline(node) if node.children else _text(node.content, self._hosts)
        if not is_known(target, self._hosts):
            return label if label == f"`{target}`" else f"{label} ({code_span(target)})"
        if node.markup == "autolink" or label == target:
            return target
        return f"[{label}]({target.replace('(', '%28').replace(')', '%29')})"


def _fence(node: SyntaxTreeNode) -> str:
    language = "".join(re.findall(r"^[\w+#.-]{1,40}", node.info))
    content = _PING.sub(f"<{BREAK}", node.content.rstrip("\n"))
    return f"{node.markup}{language}\n{content}\n{node.markup}"


def _indented(text: str, indent: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"{indent}{line}" if line else line for line in rest)])
