"""auth.test, apps.connections.open, users.*, usergroups.*."""

from dataclasses import replace

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Person, UserGroup
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.methods.args import Args
from sandbox.slack.parts import Parts, page_of


async def auth_test(parts: Parts, _args: Args) -> Json:
    """Who the token is."""
    return {
        "ok": True, "url": f"{parts.base_url}/", "team": people.TEAM_NAME, "user": "sre",
        "team_id": people.TEAM_ID, "user_id": people.BOT_USER_ID, "bot_id": people.BOT_ID,
        "is_enterprise_install": False,
        **({"enterprise_id": people.ENTERPRISE_ID} if parts.tenant.grid else {}),
    }  # fmt: skip


async def connections_open(parts: Parts, _args: Args) -> Json:
    """A websocket address for Socket Mode."""
    address = parts.base_url.replace("http", "ws", 1)
    return {"ok": True, "url": f"{address}/ws?ticket={parts.socket.ticket()}"}


async def users_info(parts: Parts, args: Args) -> Json:
    """One person."""
    return {"ok": True, "user": person_wire(parts, parts.chat.person(args.text("user")))}


async def users_list(parts: Parts, args: Args) -> Json:
    """Everybody."""
    everyone = [person_wire(parts, p) for p in parts.chat.people.values()]
    shown, cursor = page_of(everyone, args.number("limit", 1000, 1000), args.text("cursor"))
    now = int(parts.clock.now())
    metadata = {"next_cursor": cursor}
    return {"ok": True, "members": shown, "cache_ts": now, "response_metadata": metadata}


async def lookup_by_email(parts: Parts, args: Args) -> Json:
    """One person by e-mail."""
    wanted = args.text("email").lower()
    for person in parts.chat.people.values():
        if person.email and person.email.lower() == wanted:
            return {"ok": True, "user": person_wire(parts, person)}
    raise Refusal("users_not_found")


async def group_users(parts: Parts, args: Args) -> Json:
    """Ids of the people in a user group."""
    group = parts.chat.groups.get(args.text("usergroup"))
    if group is None:
        raise Refusal("no_such_subteam")
    return {"ok": True, "users": list(group.members)}


async def groups_list(parts: Parts, args: Args) -> Json:
    """Every user group."""
    shown = [_group_wire(group) for group in parts.chat.groups.values()]
    for group in shown:
        if not args.flag("include_users"):
            del group["users"]
        if not args.flag("include_count"):
            del group["user_count"]
    return {"ok": True, "usergroups": shown}


async def group_update(parts: Parts, args: Args) -> Json:
    """Set who is in a user group."""
    group = parts.chat.groups.get(args.text("usergroup"))
    if group is None:
        raise Refusal("no_such_subteam")
    users = tuple(user.strip() for user in args.text("users").split(",") if user.strip())
    if not users:
        raise Refusal("no_users_provided")
    if any(user not in parts.chat.people for user in users):
        raise Refusal("invalid_users")
    after = replace(group, members=users)
    parts.chat.groups[group.id] = after
    return {"ok": True, "usergroup": _group_wire(after)}


def _group_wire(group: UserGroup) -> Json:
    return {
        "id": group.id, "team_id": people.TEAM_ID, "is_usergroup": True, "name": group.name,
        "handle": group.handle, "description": "", "is_external": False, "date_delete": 0,
        "users": list(group.members), "user_count": len(group.members),
    }  # fmt: skip


def person_wire(parts: Parts, person: Person) -> Json:
    """A person as Slack shows them; the e-mail only with its own scope."""
    profile: Json = {
        "real_name": person.real_name, "real_name_normalized": person.real_name,
        "display_name": person.name, "display_name_normalized": person.name,
        "title": person.title, "team": person.team_id,
    }  # fmt: skip
    if person.email and "users:read.email" in parts.manifest.scopes:
        profile["email"] = person.email
    shown: Json = {
        "id": person.id, "team_id": person.team_id, "name": person.name, "deleted": False,
        "real_name": person.real_name, "color": person.color.removeprefix("#"),
        "tz": person.timezone, "tz_label": person.timezone, "tz_offset": person.timezone_offset,
        "profile": profile, "is_admin": False, "is_owner": False, "is_primary_owner": False,
        "is_restricted": person.is_restricted, "is_ultra_restricted": False,
        "is_bot": person.is_bot, "is_app_user": False, "updated": 1_700_000_000,
    }  # fmt: skip
    if person.is_bot and person.id == people.BOT_USER_ID:
        profile |= {"api_app_id": people.APP_ID, "bot_id": people.BOT_ID}
    if person.is_stranger:
        shown["is_stranger"] = True
    if person.enterprise_teams:
        shown["enterprise_user"] = {
            "id": person.id, "enterprise_id": people.ENTERPRISE_ID,
            "enterprise_name": people.ENTERPRISE_NAME, "is_admin": False, "is_owner": False,
            "teams": list(person.enterprise_teams),
        }  # fmt: skip
    return shown
