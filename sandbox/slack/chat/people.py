"""Who lives in the workspace: the people, the bot, the channels and the user groups at first start.

Alice  on-call, may approve        guest     restricted account, may nothing
Bob    second approver             stranger  from another workspace, may nothing
Carol  developer, may not approve
"""

from dataclasses import dataclass, replace

TEAM_ID = "T0NOVAEX1"
TEAM_NAME = "nova"
TEAM_DOMAIN = "nova"
OTHER_TEAM_ID = "T0PARTNER"
ENTERPRISE_ID = "E0NOVAORG"
ENTERPRISE_NAME = "nova group"
SISTER_TEAM_ID = "T0NOVASIS"  # another workspace of the organisation, in an Enterprise Grid

APP_ID = "A0SREAGENT"
BOT_ID = "B0SREBOT1"
BOT_USER_ID = "U0SREBOT1"
SLACKBOT_ID = "USLACKBOT"

ALICE = "U0ALICE01"
BOB = "U0BOB0002"
CAROL = "U0CAROL03"
GUEST = "U0GUEST04"
STRANGER = "U0STRANG5"
COLLEAGUE = "W0DANA006"  # her home is the sister workspace; ids of a Grid may begin with W

INCIDENTS = "C0INCIDNT"
DIGEST = "C0SREDIGE"
GENERAL = "C0GENERAL"

ONCALL_GROUP = "S0ONCALL1"
DEVELOPERS_GROUP = "S0DEVELOP"


@dataclass(frozen=True)
class Person:
    """One account in the workspace.

    Attributes:
        can: one line for the page: what this person may do with the bot.
        color: avatar colour as `#rrggbb`.
        enterprise_teams: workspaces of an Enterprise Grid this person is in; none without a Grid.
    """

    id: str
    name: str
    real_name: str
    title: str
    can: str
    color: str
    email: str | None = None
    timezone: str = "Europe/Berlin"
    timezone_offset: int = 3600
    is_bot: bool = False
    is_restricted: bool = False
    is_stranger: bool = False
    team_id: str = TEAM_ID
    enterprise_teams: tuple[str, ...] = ()
    on_page: bool = False


PEOPLE: tuple[Person, ...] = (
    Person(
        ALICE, "alice", "Alice Chen", "SRE, on call", "May approve plans (on-call approver)",
        "#7c5cff", "alice@nova.example", "Asia/Shanghai", 28800, on_page=True,
    ),
    Person(
        BOB, "bob", "Bob Müller", "SRE, second on call", "May approve plans (second approver)",
        "#0ea5a4", "bob@nova.example", on_page=True,
    ),
    Person(
        CAROL, "carol", "Carol Diaz", "Developer", "May ask and read, may not approve",
        "#e5734b", "carol@nova.example", on_page=True,
    ),
    Person(
        GUEST, "gita", "Gita Rao", "Contractor (guest)", "Guest: the bot answers nothing",
        "#8a8f98", "gita@contractor.example", is_restricted=True,
    ),
    Person(
        STRANGER, "sam", "Sam Partner", "From another company", "Outsider: the bot answers nothing",
        "#59636e", None, is_stranger=True, team_id=OTHER_TEAM_ID,
    ),
    Person(
        BOT_USER_ID, "sre", "SRE Agent", "App", "", "#2563eb", None, "Etc/UTC", 0, is_bot=True,
    ),
    Person(
        SLACKBOT_ID, "slackbot", "Slackbot", "", "", "#4a154b", None, "Etc/UTC", 0, is_bot=True,
    ),
)  # fmt: skip


def grid_people() -> tuple[Person, ...]:
    """Everybody as an Enterprise Grid shows them, and a colleague of the sister workspace."""
    ours = tuple(
        replace(person, enterprise_teams=() if person.is_stranger else (TEAM_ID,))
        for person in PEOPLE
        if not person.is_bot
    )
    colleague = Person(
        COLLEAGUE, "dana", "Dana Okoye", "SRE, sister workspace", "May ask and read",
        "#2f855a", "dana@nova.example", team_id=SISTER_TEAM_ID,
        enterprise_teams=(SISTER_TEAM_ID, TEAM_ID),
    )  # fmt: skip
    return (*ours, *(person for person in PEOPLE if person.is_bot), colleague)


@dataclass(frozen=True)
class Channel:
    """A conversation: a public channel or a direct message between one person and the bot."""

    id: str
    name: str
    kind: str  # "channel" | "im"
    topic: str = ""
    members: tuple[str, ...] = ()
    is_shared: bool = False  # with another workspace (Slack Connect)
    is_archived: bool = False
    posting: str = ""  # who may post what: "" | "read_only" | "thread_only" | "non_threadable"

    @property
    def is_im(self) -> bool:
        """Whether this is a direct message."""
        return self.kind == "im"


@dataclass(frozen=True)
class UserGroup:
    """A mentionable group such as `@oncall`."""

    id: str
    handle: str
    name: str
    members: tuple[str, ...]


GROUPS: tuple[UserGroup, ...] = (
    UserGroup(ONCALL_GROUP, "oncall", "On-call approvers", (ALICE, BOB)),
    UserGroup(DEVELOPERS_GROUP, "developers", "Developers", (CAROL,)),
)

_STAFF = (ALICE, BOB, CAROL, BOT_USER_ID)

CHANNELS: tuple[Channel, ...] = (
    Channel(INCIDENTS, "incidents", "channel", "What is broken, and what we do about it", _STAFF),
    Channel(DIGEST, "sre-digest", "channel", "What changed since the last working day", _STAFF),
    Channel(
        GENERAL, "general", "channel", "Everyone at nova, and partners",
        (*_STAFF, GUEST, STRANGER), is_shared=True,
    ),
    *(
        Channel(f"D0{person.id[2:]}", "", "im", "", (person.id, BOT_USER_ID))
        for person in PEOPLE
        if person.on_page
    ),
)  # fmt: skip
