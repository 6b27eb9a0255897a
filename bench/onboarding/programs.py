"""The programs of a stage: each with its command line, its port on the loopback and its metrics.

    start(kind, ...) ──> Running(target to scrape, how others reach it)

All are public packages of Debian, in their packaged configuration as far as a port and a folder of
their own allow. Nothing here knows how what they tell is judged.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fixtures.loopback import free_port
from tests.fixtures.postgres import postgres_server

READY_SECONDS = 90.0
HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Target:
    """What is scraped: an address, a path, and perhaps parameters."""

    port: int
    path: str = "/metrics"
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """A program that serves, and what those that use it must know."""

    target: Target
    reached: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Place:
    """Where a stage's programs live; what was started here is stopped here."""

    folder: Path
    _ends: list[Callable[[], object]] = field(default_factory=list)

    def room(self, name: str) -> Path:
        """Return a folder of a program's own."""
        made = self.folder / name
        made.mkdir()
        return made

    def run(
        self, name: str, command: list[str], env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in a process group of its own; its words go to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._ends.append(lambda: _end(process))
        return process

    def at_end(self, stop: Callable[[], object]) -> None:
        """Remember how to stop something."""
        self._ends.append(stop)

    def wait(self, name: str, url: str) -> None:
        """Return once `url` answers; SystemExit with the program's last words if it never does."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(url, timeout=3, trust_env=False).status_code < 500:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        log = self.folder / f"{name}.log"
        said = log.read_text("utf-8", "replace")[-1500:] if log.is_file() else ""
        raise SystemExit(f"{name} does not serve {url}: {said}")

    def close(self) -> None:
        """Stop everything, the last first."""
        while self._ends:
            self._ends.pop()()


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        try:
            process.wait(8)
        except subprocess.TimeoutExpired:
            continue
        return


def _exporter(place: Place, name: str, command: list[str], env: Mapping[str, str]) -> Target:
    port = free_port()
    place.run(f"{name}-exporter", [each.format(port=port) for each in command], env)
    place.wait(f"{name}-exporter", f"http://{HERE}:{port}/metrics")
    return Target(port)


def postgres(place: Place, name: str, _: Mapping[str, object]) -> Running:
    """A PostgreSQL with one table, and its exporter."""
    holder = postgres_server()
    server = holder.__enter__()
    place.at_end(lambda: holder.__exit__(None, None, None))
    dsn = server.create_database()
    psql = shutil.which("psql") or "psql"
    table = "create table visits (id bigserial primary key, at timestamptz)"
    subprocess.run([psql, "-q", dsn, "-c", table], check=True, timeout=30)
    command = ["prometheus-postgres-exporter", f"--web.listen-address={HERE}:{{port}}"]
    target = _exporter(place, name, command, {"DATA_SOURCE_NAME": f"{dsn}?sslmode=disable"})
    return Running(target, {"kind": "postgres", "dsn": dsn})


def mariadb(place: Place, name: str, _: Mapping[str, object]) -> Running:
    """A MariaDB that nobody but its exporter reads."""
    room, port = place.room(name), free_port()
    shutil.chown(room, "mysql")
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", f"--datadir={room / 'data'}", "--user=mysql",
         "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    place.run(name, [
        "mariadbd", "--no-defaults", f"--datadir={room / 'data'}", "--user=mysql", f"--port={port}",
        f"--bind-address={HERE}", f"--socket={room / 'socket'}", "--max-connections=60",
        f"--pid-file={room / 'pid'}",
    ])  # fmt: skip
    deadline = time.monotonic() + READY_SECONDS
    while not (room / "socket").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    command = ["prometheus-mysqld-exporter", f"--web.listen-address={HERE}:{{port}}"]
    source = f"root@unix({room / 'socket'})/"
    target = _exporter(place, name, command, {"DATA_SOURCE_NAME": source})
    return Running(target, {"kind": "mariadb", "socket": str(room / "socket")})


def redis(place: Place, name: str, _: Mapping[str, object]) -> Running:
    """A Redis with a limit of memory, and its exporter."""
    port = free_port()
    place.run(name, [
        "redis-server", "--port", str(port), "--bind", HERE, "--save", "", "--maxmemory", "64mb",
        "--maxclients", "200", "--dir", str(place.room(name)),
    ])  # fmt: skip
    command = ["prometheus-redis-exporter", f"-web.listen-address={HERE}:{{port}}",
               f"-redis.addr=redis://{HERE}:{port}"]  # fmt: skip
    return Running(_exporter(place, name, command, {}), {"kind": "redis", "port": port})


def rabbitmq(place: Place, name: str, _: Mapping[str, object]) -> Running:
    """A RabbitMQ with its own prometheus plugin."""
    room = place.room(name)
    port, metrics, between, mapper = (free_port() for _ in range(4))
    (room / "plugins").write_text("[rabbitmq_prometheus].\n", encoding="utf-8")
    (room / "rabbit.conf").write_text(
        f"listeners.tcp.1 = {HERE}:{port}\nprometheus.tcp.ip = {HERE}\n"
        f"prometheus.tcp.port = {metrics}\nprometheus.return_per_object_metrics = true\n"
        "loopback_users = none\nvm_memory_high_watermark.absolute = 512MB\n",
        encoding="utf-8",
    )
    env = {
        "HOME": str(room), "RABBITMQ_NODENAME": f"stage{port}@localhost",
        "RABBITMQ_MNESIA_BASE": str(room), "RABBITMQ_LOG_BASE": str(room),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(room / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(room / "rabbit.conf"), "RABBITMQ_DIST_PORT": str(between),
        "ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": HERE,
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
    }  # fmt: skip
    programs = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    # The port mapper daemon leaves our process group, so it is told to go by its own port.
    gone = ["epmd", "-port", str(mapper), "-kill"]
    place.at_end(lambda: subprocess.run(gone, check=False, capture_output=True))
    place.run(name, [str(programs)], env)
    place.wait(name, f"http://{HERE}:{metrics}/metrics")
    url = f"amqp://guest:guest@{HERE}:{port}/"
    return Running(Target(metrics), {"kind": "rabbitmq", "url": url, "queue": "jobs"})


def nginx(place: Place, name: str, given: Mapping[str, object]) -> Running:
    """An nginx before one service, its stub status, and its exporter."""
    room, port = place.room(name), free_port()
    room.chmod(0o755)
    (room / "nginx.conf").write_text(
        f"daemon off; pid {room}/pid; error_log stderr warn; worker_processes 1;\n"
        "events { worker_connections 256; }\nhttp {\n access_log off;\n"
        + "".join(
            f" {each}_temp_path {room}/{each};\n"
            for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f" server {{ listen {HERE}:{port};\n  location = /stub {{ stub_status; }}\n"
        f"  location / {{ proxy_pass http://{HERE}:{given['before_port']}; }}\n }}\n}}\n",
        encoding="utf-8",
    )
    place.run(name, ["nginx", "-c", str(room / "nginx.conf")])
    place.wait(name, f"http://{HERE}:{port}/stub")
    command = ["prometheus-nginx-exporter", f"-web.listen-address={HERE}:{{port}}",
               f"-nginx.scrape-uri=http://{HERE}:{port}/stub"]  # fmt: skip
    return Running(_exporter(place, name, command, {}), {"kind": "nginx", "port": port})


def haproxy(place: Place, name: str, given: Mapping[str, object]) -> Running:
    """An HAProxy before one service, with its own prometheus page."""
    room, port, metrics = place.room(name), free_port(), free_port()
    (room / "haproxy.cfg").write_text(
        "global\n maxconn 400\ndefaults\n mode http\n timeout connect 5s\n timeout client 30s\n"
        f" timeout server 30s\nfrontend doors\n bind {HERE}:{port}\n default_backend plant\n"
        f"backend plant\n server one {HERE}:{given['before_port']} maxconn 100\n"
        f"frontend pages\n bind {HERE}:{metrics}\n http-request use-service prometheus-exporter "
        "if { path /metrics }\n",
        encoding="utf-8",
    )
    place.run(name, ["haproxy", "-db", "-f", str(room / "haproxy.cfg")])
    place.wait(name, f"http://{HERE}:{metrics}/metrics")
    return Running(Target(metrics), {"kind": "haproxy", "port": port})


def caddy(place: Place, name: str, given: Mapping[str, object]) -> Running:
    """A Caddy before one service, with metrics of its own."""
    room, port, admin = place.room(name), free_port(), free_port()
    (room / "Caddyfile").write_text(
        f"{{\n admin {HERE}:{admin}\n auto_https off\n servers {{\n  metrics\n }}\n}}\n"
        f"http://{HERE}:{port} {{\n bind {HERE}\n"
        f" reverse_proxy {HERE}:{given['before_port']}\n}}\n",
        encoding="utf-8",
    )
    env = {"HOME": str(room), "XDG_DATA_HOME": str(room), "XDG_CONFIG_HOME": str(room)}
    command = ["caddy", "run", "--adapter", "caddyfile", "--config", str(room / "Caddyfile")]
    place.run(name, command, env)
    place.wait(name, f"http://{HERE}:{admin}/metrics")
    return Running(Target(admin), {"kind": "caddy", "port": port})


def node(place: Place, name: str, _: Mapping[str, object]) -> Running:
    """The exporter of this machine."""
    command = ["prometheus-node-exporter", f"--web.listen-address={HERE}:{{port}}"]
    return Running(_exporter(place, name, command, {}), {"kind": "node"})


def blackbox(place: Place, name: str, given: Mapping[str, object]) -> Running:
    """A prober that asks one service by HTTP whether it answers."""
    (place.folder / f"{name}.yml").write_text(
        "modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n", encoding="utf-8"
    )
    command = ["prometheus-blackbox-exporter", f"--web.listen-address={HERE}:{{port}}",
               f"--config.file={place.folder / name}.yml"]  # fmt: skip
    target = _exporter(place, name, command, {})
    asked = {
        "module": "http_2xx",
        "target": f"http://{HERE}:{given['before_port']}{given['before_path']}",
    }
    return Running(Target(target.port, "/probe", asked), {"kind": "blackbox"})


PROGRAMS: Mapping[str, tuple[Callable[[Place, str, Mapping[str, object]], Running], str, str]] = {
    # kind: how it starts, a program it needs, Debian's packages
    "postgres": (
        postgres, "prometheus-postgres-exporter", "postgresql prometheus-postgres-exporter"
    ),
    "mariadb": (mariadb, "prometheus-mysqld-exporter", "mariadb-server prometheus-mysqld-exporter"),
    "redis": (redis, "prometheus-redis-exporter", "redis-server prometheus-redis-exporter"),
    "rabbitmq": (rabbitmq, "rabbitmq-server", "rabbitmq-server"),
    "nginx": (nginx, "prometheus-nginx-exporter", "nginx-light prometheus-nginx-exporter"),
    "haproxy": (haproxy, "haproxy", "haproxy"),
    "caddy": (caddy, "caddy", "caddy"),
    "node": (node, "prometheus-node-exporter", "prometheus-node-exporter"),
    "blackbox": (blackbox, "prometheus-blackbox-exporter", "prometheus-blackbox-exporter"),
}  # fmt: skip
