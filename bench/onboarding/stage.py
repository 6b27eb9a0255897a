"""A stage: a small strange platform of real programs on this machine, with traffic through it.

    stages/<name>.yaml ──start──> programs, services, traffic ──scraped by──> both stores

Everything listens on free ports of the loopback and is stopped at the end. Traffic is a few
requests a second; each service answers some with an error, so that its errors can be measured.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.onboarding.drawn import Drawn, draw, scrape_config
from bench.onboarding.programs import HERE, PROGRAMS, Place, Running, Target
from foundation.yaml_file import read_yaml
from tests.fixtures.loopback import free_port

ROOM = Path(__file__).parent
PYTHON = ROOM.parents[1] / "var" / "onboarding" / "bin" / "python"  # the stage's own
LIBRARIES = (
    "fastapi", "uvicorn", "prometheus-fastapi-instrumentator", "flask", "waitress", "grpcio",
    "prometheus-flask-exporter", "starlette", "starlette-exporter", "prometheus-client",
    "opentelemetry-sdk", "opentelemetry-exporter-prometheus", "opentelemetry-instrumentation-flask",
    "py-grpc-prometheus", "pika", "psycopg[binary]", "redis", "setuptools<80",
)  # fmt: skip
FAULTS = {"errors": {"error_share": 0.45}, "slow": {"delay_seconds": 0.9}}
STORES = ("prometheus", "victoria-metrics")
OTHER = {"opentelemetry_milliseconds": ("opentelemetry", "")}  # kinds that differ by a setting


@dataclass(frozen=True, slots=True)
class Stage:
    """What stands and what it is called."""

    given: Mapping[str, Any]  # the stage's file
    drawn: Drawn
    place: Place
    targets: Mapping[str, Target]
    stores: Mapping[str, str]  # a store -> its URL
    fault_file: Path

    def kinds(self) -> dict[str, str]:
        """Return each key's kind."""
        both = {**self.given["services"], **self.given["programs"]}
        return {key: str(each["kind"]) for key, each in both.items()}

    def matchers(self, key: str) -> str:
        """Return the matchers of one target, for inside of braces."""
        label, name = self.drawn.label_of(key, self.given["programs"])
        return f'{label}="{name}"'

    def break_it(self) -> None:
        """Let the fault begin."""
        half = self.fault_file.with_suffix(".half")
        half.write_text(json.dumps(FAULTS[self.drawn.fault_kind]), encoding="utf-8")
        half.rename(self.fault_file)


def given_stage(name: str) -> Mapping[str, Any]:
    """Read a stage's file."""
    stages = sorted(path.stem for path in (ROOM / "stages").glob("*.yaml"))
    if name not in stages:
        raise SystemExit(f"no stage {name!r}; there are {', '.join(stages)}")
    value: Mapping[str, Any] = read_yaml(ROOM / "stages" / f"{name}.yaml").value
    return value


def missing(given: Mapping[str, Any]) -> list[str]:
    """Return the lines that install what this machine lacks."""
    kinds = {each["kind"] for each in given["programs"].values()}
    packages = {
        word for kind in sorted(kinds) if shutil.which(PROGRAMS[kind][1]) is None
        for word in PROGRAMS[kind][2].split()
    }  # fmt: skip
    packages |= {each for each in STORES if shutil.which(each) is None}
    lines = [f"apt install {' '.join(sorted(packages))}"] if packages else []
    if not PYTHON.is_file():
        folder = PYTHON.parents[1].relative_to(ROOM.parents[1])
        words = " ".join(f"'{each}'" for each in LIBRARIES)
        lines.append(f"python3 -m venv {folder} && {folder}/bin/pip install {words}")
    return lines


@contextmanager
def standing(given: Mapping[str, Any], seed: int) -> Iterator[Stage]:
    """Start a stage; stop and remove it at the end."""
    keys = [*given["services"], *given["programs"]]
    drawn = draw(seed, keys, given["faulty"])
    folder = Path(tempfile.mkdtemp(prefix="stage-"))
    folder.chmod(0o755)
    place = Place(folder)
    try:
        fault = folder / "fault.json"
        targets, doors = _start(given, drawn, place, fault)
        stores = _stores(place, scrape_config(drawn, targets, given["programs"]))
        stop = threading.Event()
        crowd = [threading.Thread(target=_traffic, args=(*each, stop)) for each in doors]
        place.at_end(lambda: _leave(stop, crowd))
        for each in crowd:
            each.start()
        yield Stage(given, drawn, place, targets, stores, fault)
    finally:
        place.close()
        shutil.rmtree(folder, ignore_errors=True)


def _start(
    given: Mapping[str, Any], drawn: Drawn, place: Place, fault: Path
) -> tuple[dict[str, Target], list[tuple[str, float]]]:
    services, programs = given["services"], given["programs"]
    ports = {key: free_port() for key in services}
    running: dict[str, Running] = {}
    before = [key for key, each in programs.items() if "before" not in each]
    for key in before:
        running[key] = PROGRAMS[programs[key]["kind"]][0](place, key, {})
    targets: dict[str, Target] = {}
    for key, each in services.items():
        targets[key] = _service(key, each, given, drawn, place, ports, running, fault)
    for key, target in targets.items():  # all start at once, the two cores are few
        place.wait(key, f"http://{HERE}:{target.port}{target.path}")
    for key in [key for key in programs if key not in before]:
        asked = programs[key]["before"]
        ahead = {"before_port": ports[asked], "before_path": services[asked]["routes"][0]}
        running[key] = PROGRAMS[programs[key]["kind"]][0](place, key, ahead)
    targets |= {key: each.target for key, each in running.items()}
    doors = []
    for key, each in {**services, **programs}.items():
        if each.get("entry_per_second"):
            port = ports.get(key) or running[key].reached["port"]
            routes = services[each.get("before", key)]["routes"]
            share = each["entry_per_second"] / len(routes)
            doors += [(f"http://{HERE}:{port}{route}", share) for route in routes]
    return targets, doors


def _service(
    key: str,
    each: Mapping[str, Any],
    given: Mapping[str, Any],
    drawn: Drawn,
    place: Place,
    ports: Mapping[str, int],
    running: Mapping[str, Running],
    fault: Path,
) -> Target:
    kind, setting = OTHER.get(each["kind"], (each["kind"], "http"))
    metrics_port = free_port() if kind == "grpc" else ports[key]
    work = {
        "base_ms": each["base_ms"],
        "errors": each["errors"],
        "seed": f"{drawn.seed} {key}",
        "fault_file": str(fault) if key == drawn.faulty else os.devnull,
        "calls": [
            f"http://{HERE}:{ports[other]}{given['services'][other]['routes'][0]}"
            for other in each.get("calls", [])
        ],
        "stores": [running[store].reached for store in each.get("stores", [])],
    }
    taken = running[each["takes_from"]].reached if "takes_from" in each else {}
    told = {
        **taken, "kind": kind, "name": drawn.names[key], "port": ports[key], "work": work,
        "routes": each.get("routes", []), "semconv": setting, "metrics_port": metrics_port,
        "prefix": drawn.prefixes[key], "rpc_service": f"{drawn.prefixes[key]}.v1.Stock",
    }  # fmt: skip
    place.run(key, [str(PYTHON), "-I", str(ROOM / "stage_service.py"), json.dumps(told)])
    path = "/actuator/prometheus" if kind == "micrometer" else "/metrics"
    return Target(metrics_port, path)


def _stores(place: Place, config: str) -> dict[str, str]:
    file = place.folder / "scrape.yml"
    file.write_text(config, encoding="utf-8")
    one, other = free_port(), free_port()
    place.run("prometheus", [
        "prometheus", f"--config.file={file}", f"--storage.tsdb.path={place.folder / 'tsdb'}",
        f"--web.listen-address={HERE}:{one}",
    ])  # fmt: skip
    place.run("victoria-metrics", [
        "victoria-metrics", f"-promscrape.config={file}", f"-httpListenAddr={HERE}:{other}",
        f"-storageDataPath={place.folder / 'vm'}",
    ])  # fmt: skip
    place.wait("prometheus", f"http://{HERE}:{one}/-/ready")
    place.wait("victoria-metrics", f"http://{HERE}:{other}/health")
    urls = (f"http://{HERE}:{one}", f"http://{HERE}:{other}")
    return dict(zip(STORES, urls, strict=True))


def _traffic(url: str, per_second: float, stop: threading.Event) -> None:
    """Ask again and again, at a rate and never more than a few at once, until told to stop."""
    with httpx.Client(trust_env=False, timeout=15) as client, ThreadPoolExecutor(8) as hands:
        due = time.monotonic()
        while not stop.wait(max(0.0, due - time.monotonic())):
            due = max(due, time.monotonic() - 1) + 1 / per_second
            hands.submit(_ask, client, url)


def _leave(stop: threading.Event, crowd: list[threading.Thread]) -> None:
    stop.set()
    for each in crowd:
        each.join()


def _ask(client: httpx.Client, url: str) -> None:
    try:
        client.get(url)
    except httpx.HTTPError as error:
        sys.stderr.write(f"traffic: {url}: {error!r}\n")
