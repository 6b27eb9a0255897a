"""Two dozen secrets that exist nowhere else, planted where the bot looks; none may come out.

environment   seven names that the bot itself is configured by
logs, events  the shapes in which programs write secrets down
traces        a span's name, what it says, what the program noted in it
own tools     what a team's own tool returns, in its words and in its payload
config maps   values, whole files and binary ones; container environment; a metric's label
people        what somebody types: a question, why they propose, reject, halt or break the glass,
              another value for a plan

Marks are harmless words beside them that must be found: where none is, nothing was searched.

Every canary is made of words of its own, so that a hit in any byte stream names its origin.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

# Written in pieces: what looks like a secret is refused in a repository.
CANARIES: dict[str, str] = {
    "env_anthropic": "sk-" + "ant-canary-Quokka7Anthropic0Key",
    "env_signing": "canary7signing0wombat8secret2of9slack",
    "env_audit": "canary7audit0numbat8key2of9the4chain",
    "env_http": "canary7http0bilby8action2secret",
    "env_webhook": "canary7webhook0dingo8path",
    "env_app_token": "xa" + "pp-1-CANARYKOALA-0123456789-abcdef",
    "env_database": "canary7database0emu8password",
    "log_password": "canary7log0kookaburra8pw",
    "log_json": "canary7json0platypus8pw",
    "log_bearer": "canary7bearer0echidna8token9abc",
    "log_aws": "AKIA" + "CANARYPOSSUM0000",
    "log_github": "gh" + "p_canary7Galah0token8abcdefghij",
    "log_jwt": "eyJ" + "canary7lyrebird.eyJcanary8body00.canary9signature",
    "log_url": "canary7url0cassowary8pw",
    "log_chinese": "canary7zh0thylacine8pw",
    "log_key": "canary7pem0bandicoot8bodyline",
    "log_colour": "canary7colour0bunyip8pw",
    "log_wide": "canary7wide0mala8pw",
    "event_token": "canary7event0quoll8token",
    "config_value": "canary7config0wallaby8pw",
    "config_file": "canary7file0brolga8pw",
    "label": "canary7label0goanna8token",
    "trace_name": "canary7span0bilby8pw",
    "trace_said": "canary7said0quokka8token",
    "trace_noted": "canary7noted0dunnart8pw",
    "trace_header": "canary7header0mulgara8token9abc",
    "own_words": "canary7words0numbat8pw",
    "own_pair": "canary7pair0dugong8pw",
    "history_value": "canary7history0kultarr8pw",
    "history_file": "canary7kept0phascogale8pw",
    "history_binary": "canary7binary0planigale8pw",
    "edited": "canary7edited0potto8pw",
    "reason": "canary7reason0taipan8pw",
    "typed": "canary7typed0bettong8pw",
    "rejected": "canary7rejected0potoroo8pw",
    "glass": "canary7glass0pademelon8pw",
    "halted": "canary7halted0kowari8pw",
}
ENVIRONMENT = {
    "ANTHROPIC_API_KEY": CANARIES["env_anthropic"],
    "SLACK_BOT_TOKEN": "xo" + "xb-sandbox-bot",
    "SLACK_SIGNING_SECRET": CANARIES["env_signing"],
    "SLACK_APP_TOKEN": CANARIES["env_app_token"],
    "AUDIT_KEY": CANARIES["env_audit"],
    "HTTP_ACTION_SECRET": CANARIES["env_http"],
    "WEBHOOK_URL": f"https://hooks.example/{CANARIES['env_webhook']}",
    "DATABASE_URL": f"postgresql://bot:{CANARIES['env_database']}@db.example/bot",
}


MARKS = {  # what must be found, and where
    "a further page": "mark7page0of9evidence",
    "compressed evidence": "mark7deep0in9a8large9result",
    "a container's log": "mark7log0of9a8container",
    "an object as it is": "mark7object0of9a8config9map",
    "config map history": "mark7history0of9a8harmless9map",
}


def planted_lines() -> list[str]:
    """Return log lines that carry secrets, known and unknown ones; the first suits an event."""
    pem = "-----BEGIN PRIVATE" + " KEY-----"
    return [
        f"refresh failed: token={CANARIES['event_token']} retry in 5 s",
        f"connecting as shop with password={CANARIES['log_password']}",
        f'bad request {{"user": "shop", "password": "{CANARIES["log_json"]}"}}',
        f"upstream said no to Authorization: Bearer {CANARIES['log_bearer']}",
        f"s3 client uses {CANARIES['log_aws']}",
        f"git clone with {CANARIES['log_github']} failed",
        f"session {CANARIES['log_jwt']} expired",
        f"cannot reach postgresql://shop:{CANARIES['log_url']}@db.trading/shop",
        f"数据库登录失败，密码：{CANARIES['log_chinese']}",
        f"{pem} {CANARIES['log_key']} -----END PRIVATE" + " KEY-----",
        f"\x1b[34mpassword\x1b[39m=\x1b[33m{CANARIES['log_colour']}\x1b[39m",
        f"ｐａｓｓｗｏｒｄ\u200b＝{CANARIES['log_wide']}",
        *(f"config {name}={value}" for name, value in ENVIRONMENT.items() if "BOT" not in name),
    ]


def planted_config() -> list[dict[str, Any]]:
    """Return a deployment of two revisions that read different config maps, secrets in both."""
    found: list[dict[str, Any]] = []
    for number in (1, 2):
        file = f"database:\n  host: db-{number}\n  password: {CANARIES['config_file']}\n"
        found.append({
            "kind": "ConfigMap",
            "metadata": {"namespace": "trading", "name": f"cart-config-{number}"},
            "data": {
                "DB_PASSWORD": f"{CANARIES['config_value']}{number}",
                "application.yaml": file,
                "POOL_SIZE": str(number),
                "NOTE": MARKS["an object as it is"],
            },
        })  # fmt: skip
    template = {
        "metadata": {"labels": {"app": "cart"}},
        "spec": {
            "containers": [{
                "name": "cart", "image": "cart:2",
                "env": [{"name": "DB_PASSWORD", "value": CANARIES["config_value"]}],
                "envFrom": [{"configMapRef": {"name": "cart-config-2"}}],
            }]
        },
    }  # fmt: skip
    before = json.loads(json.dumps(template).replace("cart-config-2", "cart-config-1"))
    owner = {"kind": "Deployment", "name": "cart", "uid": "uid-cart", "controller": True}
    found.append({
        "kind": "Deployment",
        "metadata": {
            "namespace": "trading", "name": "cart", "uid": "uid-cart",
            "labels": {"api-token": CANARIES["label"]}, "annotations": {},
        },
        "spec": {"replicas": 3, "template": template},
    })  # fmt: skip
    found += [
        {
            "kind": "ReplicaSet",
            "metadata": {
                "namespace": "trading", "name": f"cart-h{number}", "uid": f"uid-cart-h{number}",
                "annotations": {"deployment.kubernetes.io/revision": str(number)},
                "ownerReferences": [owner],
            },
            "spec": {"template": body},
        }
        for number, body in ((1, before), (2, template))
    ]  # fmt: skip
    return found


def found_in(streams: Iterable[bytes]) -> list[str]:
    """Return the names of the canaries that stand in some bytes, plainly or in base64."""
    whole = b"\n".join(streams)
    return [
        name
        for name, value in CANARIES.items()
        if value.encode() in whole or base64.b64encode(value.encode())[:-4] in whole
    ]
