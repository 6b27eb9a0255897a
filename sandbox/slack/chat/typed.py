"""What people type, as Slack stores it: escaped text, ids for names, and a rich_text block.

"@sre why is #incidents <slow>?"  ->  "<@U0SREBOT1> why is <#C0INCIDNT> &lt;slow&gt;?"
"""

import re
from collections.abc import Iterable

from sandbox.slack.chat.people import Channel, Person, UserGroup
from sandbox.slack.chat.wire import Json, mint
from sandbox.slack.chat.workspace import names_of

_TOKEN = re.compile(r"(<[@#!][^<>\s]+>|<https?://[^<>\s]+>)")
_LINK = re.compile(r"(?<![<|\w])https?://[^\s<>]+[^\s<>.,;:!?)\]'\"]")
_BROADCASTS = ("here", "channel", "everyone")


def to_wire(
    text: str,
    people: Iterable[Person],
    channels: Iterable[Channel],
    groups: Iterable[UserGroup],
) -> str:
    """Turn typed text into Slack's; tokens such as `<@U…>` that are already ids stay."""
    names: dict[str, str] = {}
    for person in people:
        names |= {f"@{name}": f"<@{person.id}>" for name in names_of(person)}
    names |= {f"#{c.name}": f"<#{c.id}>" for c in channels if c.name}
    names |= {f"@{g.handle}": f"<!subteam^{g.id}>" for g in groups}
    names |= {f"@{word}": f"<!{word}>" for word in _BROADCASTS}
    longest_first = sorted(names, key=len, reverse=True)
    spelled = "|".join(re.escape(name) for name in longest_first)
    pattern = re.compile(rf"(?<![\w@#])(?:{spelled})(?![\w-])", re.IGNORECASE)
    lowered = {name.lower(): token for name, token in names.items()}

    def plain(part: str) -> str:
        escaped = part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        linked = _LINK.sub(lambda found: f"<{found.group()}>", escaped)
        return pattern.sub(lambda found: lowered[found.group().lower()], linked)

    parts = _TOKEN.split(text)
    return "".join(part if index % 2 else plain(part) for index, part in enumerate(parts))


def mentions(text: str, user_id: str) -> bool:
    """Tell whether Slack text mentions somebody."""
    return bool(re.search(rf"<@{user_id}(\|[^>]*)?>", text))


def rich_text(text: str) -> Json:
    """The rich_text block Slack adds to what people type."""
    parts = [_part(part) for part in _TOKEN.split(text) if part]
    section = {"type": "rich_text_section", "elements": parts}
    return {"type": "rich_text", "block_id": mint("", 5), "elements": [section]}


def _part(part: str) -> Json:
    inner = part[1:-1].split("|", maxsplit=1)[0]
    if part.startswith("<@"):
        return {"type": "user", "user_id": inner[1:]}
    if part.startswith("<#"):
        return {"type": "channel", "channel_id": inner[1:]}
    if part.startswith("<!subteam^"):
        return {"type": "usergroup", "usergroup_id": inner.removeprefix("!subteam^")}
    if part.startswith("<!"):
        return {"type": "broadcast", "range": inner[1:]}
    if part.startswith("<http"):
        return {"type": "link", "url": inner.replace("&amp;", "&")}
    plain = part.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return {"type": "text", "text": plain}
