"""Programs that everybody runs, as their documentation shows that they log.

The sentences are the programs' own as documented or as their public sources print them; values are
drawn. Those in `DEVELOPED` were looked into while the grouping was worked on; of the
others only the score.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from foundation.yaml_file import read_yaml

BEGIN = datetime(2026, 9, 21, 7, 59, 58, tzinfo=UTC)
DEVELOPED = frozenset(
    {
        "nginx",
        "postgres",
        "kubelet",
        "redis",
        "kafka",
        "spring",
        "wechat-pay",
        "haproxy",
        "systemd",
        "cisco",
        "slurm",
        "postfix",
        "rails",
        "logcat",
        "cassandra",
        "envoy",
    }
)
_FIELD = re.compile(r"{(\w+)}")
_USERS = ("app", "reporting", "alice", "bob", "carol", "postgres", "svc_orders", "svc-billing")
_METHODS = ("GET", "GET", "GET", "POST", "PUT", "DELETE")
_TABLES = ("orders", "customers", "order_items", "ledger", "sessions", "audit_trail", "carts")
_PODS = ("checkout", "cart", "frontend", "coredns", "payments", "ledger", "ingress-nginx")
_TOPICS = ("orders", "payments", "audit", "clicks", "ledger.events", "__consumer_offsets")
_NAMES = ("张伟", "王芳", "李娜", "刘洋", "陈静", "杨磊", "赵敏", "黄强", "周杰", "吴婷")


def _hex(digits: int) -> Callable[[random.Random], str]:
    return lambda chance: f"{chance.getrandbits(4 * digits):0{digits}x}"


def _of(values: tuple[str, ...]) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(values)


def _uuid(chance: random.Random) -> str:
    text = f"{chance.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _path(chance: random.Random) -> str:
    return chance.choice(
        ("/", "/cart", "/api/v1/orders", f"/api/v1/orders/{chance.randint(1, 9999)}", "/health",
         f"/static/{chance.getrandbits(32):08x}.js", "/api/v1/search?q=shoes&page=2")
    )  # fmt: skip


FIELDS: dict[str, Callable[[random.Random], str]] = {
    "n": lambda chance: str(chance.randint(2, 99_999)),
    "small": lambda chance: str(chance.randint(0, 5)),
    "ip": lambda chance: f"10.{chance.randint(0, 9)}.{chance.randint(0, 255)}.7",
    "port": lambda chance: str(chance.randint(1024, 65_535)),
    "ms": lambda chance: f"{chance.uniform(0.1, 9_000):.3f}",
    "float": lambda chance: f"{chance.uniform(0, 3):.6f}",
    "seconds": lambda chance: f"{chance.uniform(0.01, 40):.2f}",
    "duration": lambda chance: f"{chance.randint(1, 59)}{chance.choice(('ms', 's'))}",
    "mb": lambda chance: f"{chance.uniform(0, 90):.1f} MB",
    "kb": lambda chance: f"{chance.randint(1, 90)} kB",
    "user": _of(_USERS),
    "table": _of(_TABLES),
    "topic": _of(_TOPICS),
    "uuid": _uuid,
    "hex16": _hex(16),
    "hex8": _hex(8),
    "pod": lambda chance: f"{chance.choice(_PODS)}-{_hex(9)(chance)}-{_hex(5)(chance)}",
    "namespace": _of(("shop", "kube-system", "payments", "default")),
    "path": _path,
    "method": _of(_METHODS),
    "status": _of(("200", "200", "200", "201", "304", "404", "500", "503")),
    "agent": _of(("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/130.0",
                  "kube-probe/1.30", "Go-http-client/2.0")),
    "wal": _hex(24),
    "lsn": lambda chance: f"{chance.randint(0, 9)}/{chance.getrandbits(32):X}",
    "pid": lambda chance: f"<0.{chance.randint(100, 9999)}.0>",
    "name": _of(_NAMES),
    "term": lambda chance: str(chance.randint(2, 20)),
    "unit": _of(("nginx", "docker", "cron", "rsyslog", "snapd", "ssh", "logrotate", "apt-daily")),
    "zuser": _of(("root", "backup", "deploy", "www-data", "ubuntu", "git")),
    "node": _of(("node-1", "node-2", "node-3")),
    "index": lambda chance: f"logs-{chance.randint(1, 30):02d}",
    "vm": _of(("vm-a", "vm-b")),
    "disk": _of(("sda", "sdb", "nvme0n1p", "vda")),
    "process": _of(("java", "postgres", "nginx", "python3", "node", "envoy", "snapd")),
    "switch": _of(("core-sw1", "core-sw2", "edge-sw7")),
    "mac": lambda chance: ".".join(f"{chance.getrandbits(16):04x}" for _ in range(3)),
    "rack": _of(("node", "gpu", "bigmem")),
    "partition": _of(("batch", "debug", "gpu")),
    "reason": _of(("Not responding", "bad disk", "Kill task failed", "memory errors", "testing",
                   "batch job complete failure", "gres/gpu count too low")),
    "fqdn": _of(("mail.example.org", "mx.shop.example", "api.partner.example", "db.internal",
                 "cache.prod.svc.cluster.local", "www.example.com", "smtp.mailer.example")),
    "email": lambda chance: f"{chance.choice(_USERS)}{chance.randint(1, 99)}@shop.example",
    "stage": _of(("MutationStage", "ReadStage", "CompactionExecutor", "GossipStage",
                  "MemtableFlushWriter", "HintsDispatcher")),
    "controller": _of(("OrdersController#index", "CartsController#show", "HomeController#index",
                       "SessionsController#create", "Api::V1::ItemsController#index")),
    "word": _of(("shoes", "hat", "red dress", "blue jeans size 32", "socks", "boots")),
    "job": _of(("InvoiceJob", "MailJob", "CleanupJob", "ThumbnailJob", "SyncJob")),
    "queue": _of(("default", "mailers", "low")),
    "level": _of(("INFO",)),
    "task": _of(("send_mail", "resize_image", "charge_card", "sync_stock", "expire_carts")),
    "package": _of(("com.example.shop", "com.android.systemui", "com.google.android.gms",
                    "org.example.mail", "com.example.camera")),
    "activity": _of(("MainActivity", "SettingsActivity", "SyncService", "LoginActivity",
                     "UploadService")),
    "thread": _of(("main", "RenderThread", "AsyncTask #1", "Thread-12", "OkHttp Dispatcher")),
    "flag": _of(("true", "false")),
    "mode": _of(("foreground", "background")),
    "pid4": lambda chance: str(chance.randint(400, 9999)),
    "cause": _of(("timeout", "EOF", "reset by peer")),
}  # fmt: skip


def _read() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    written = read_yaml(Path(__file__).with_suffix(".yaml")).value
    return {
        name: (each["header"], [(own, sentence) for own, sentence in each["events"]])
        for name, each in written.items()
    }


SYSTEMS = _read()


def generate(name: str, count: int, chance: random.Random) -> Iterator[tuple[str, str, str]]:
    """Return message, raw line and event for each of `count` lines; a few events are frequent."""
    header, events = SYSTEMS[name]
    at = BEGIN
    weights = [1 / (1 + place) for place in range(len(events))]
    for _ in range(count):
        at += timedelta(seconds=chance.expovariate(0.02))
        number = chance.choices(range(len(events)), weights)[0]
        own, sentence = events[number]
        method = chance.choice(_METHODS)
        message = _fill(
            _dated(sentence.replace("{method} {path}", f"{method} {{path}}"), at), chance
        )
        front = _fill(_dated(header, at).replace("{own}", own), chance)
        asked = f" {method}" if "{method} {path}" in sentence else ""  # no value: what is asked for
        yield message, front + message, f"E{number}{asked}"


def _dated(text: str, at: datetime) -> str:
    parts = re.split(r"(%[YmdHMSb])", text)  # other % signs are the programs' own
    return "".join(
        at.strftime(each) if each[:1] == "%" and len(each) == 2 else each for each in parts
    )


def _fill(text: str, chance: random.Random) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in {"n3", "n6"}:
            digits = int(name[1])
            return f"{chance.randrange(10**digits):0{digits}d}"
        return FIELDS[name](chance) if name in FIELDS else match[0]

    return _FIELD.sub(value, text)
