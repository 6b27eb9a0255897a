"""One service of the stage, instrumented as a public library does it, in the stage's Python.

    stage_service.py '{"kind": "flask", "port": 9000, "work": {...}, "fault_file": "..."}'

It imports nothing of ours and is imported by nothing: the stage starts it as a program. What it
does for a request (time, calls, a share of errors) is the same for every kind; how it is measured
is the library's. Two kinds imitate what has no Python library: `micrometer` writes what Spring
Boot's `/actuator/prometheus` writes, `summary` what Go services with client-side quantiles write.
"""

# Each kind imports its library, which only the stage's Python has.
# ruff: noqa: ANN001, ANN202
# mypy: ignore-errors
from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
import urllib.request
from collections import defaultdict, deque
from pathlib import Path
from typing import Any


class Work:
    """What a request costs: time, calls to others, and now and then an error."""

    def __init__(self, given: dict[str, Any]) -> None:
        """Take the usual cost; the fault's file may add to it at any moment."""
        self._given = given
        self._fault_file = Path(given["fault_file"])
        self._draw = random.Random(given["seed"])
        self._stores = [_store(each) for each in given.get("stores", [])]

    def do(self) -> bool:
        """Do it once; False when it failed."""
        fault: dict[str, float] = {}
        if self._fault_file.is_file():  # written once, whole, while we run
            fault = json.loads(self._fault_file.read_text() or "{}")
        usual = self._given["base_ms"] / 1000 * self._draw.lognormvariate(0, 0.35)
        time.sleep(usual + fault.get("delay_seconds", 0.0))
        well = True
        for url in self._given.get("calls", []):
            try:
                urllib.request.urlopen(url, timeout=10).read()  # noqa: S310 - loopback
            except OSError:
                well = well and self._draw.random() > self._given.get("passes_on", 0.3)
        for store in self._stores:
            store()
        return well and self._draw.random() >= max(
            self._given["errors"], fault.get("error_share", 0.0)
        )


def _store(given: dict[str, Any]):
    """Return a function that uses a store once."""
    lock = threading.Lock()
    if given["kind"] == "postgres":
        import psycopg

        link = psycopg.connect(given["dsn"], autocommit=True)

        def read() -> None:
            with lock:
                link.execute("insert into visits (at) values (now())")
                link.execute("select count(*) from visits")

        return read
    if given["kind"] == "redis":
        import redis

        client = redis.Redis(port=given["port"])

        def cache() -> None:
            client.incr(f"seen:{random.randrange(500)}")
            client.get("seen:1")

        return cache
    import pika

    state: dict[str, Any] = {}

    def publish() -> None:
        with lock:
            try:
                if "channel" not in state:
                    state["link"] = pika.BlockingConnection(pika.URLParameters(given["url"]))
                    state["channel"] = state["link"].channel()
                    state["channel"].queue_declare(given["queue"], durable=True)
                state["channel"].basic_publish("", given["queue"], b"{}")
            except pika.exceptions.AMQPError:
                state.clear()

    return publish


def _wsgi(app, port: int) -> None:
    from waitress import serve

    serve(app, host="127.0.0.1", port=port, threads=12, _quiet=True)


def _asgi(app, port: int) -> None:
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


def _flask_app(work: Work, routes: list[str]):
    from flask import Flask

    app = Flask("stage")

    def view():
        return ("done", 200) if work.do() else ("failed", 500)

    for route in routes:
        app.add_url_rule(route, endpoint=route.strip("/").replace("/", "_"), view_func=view)
    return app


def flask(given: dict[str, Any], work: Work) -> None:
    """Serve with prometheus-flask-exporter."""
    from prometheus_flask_exporter import PrometheusMetrics

    app = _flask_app(work, given["routes"])
    PrometheusMetrics(app)
    _wsgi(app, given["port"])


def opentelemetry(given: dict[str, Any], work: Work) -> None:
    """Serve with OpenTelemetry's SDK; `semconv: http` is the stable convention, '' the old one."""
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = given.get("semconv", "")
    from opentelemetry import metrics
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import make_wsgi_app
    from werkzeug.middleware.dispatcher import DispatcherMiddleware

    resource = Resource.create({"service.name": given["name"]})
    reader = PrometheusMetricReader()
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader], resource=resource))
    app = _flask_app(work, given["routes"])
    FlaskInstrumentor().instrument_app(app)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": make_wsgi_app()})
    _wsgi(app, given["port"])


def fastapi(given: dict[str, Any], work: Work) -> None:
    """Serve with prometheus-fastapi-instrumentator."""
    from fastapi import FastAPI, Response
    from prometheus_fastapi_instrumentator import Instrumentator

    app = FastAPI()

    def view():
        return Response("done" if (well := work.do()) else "failed", 200 if well else 500)

    for route in given["routes"]:
        app.get(route)(view)
    Instrumentator().instrument(app).expose(app)
    _asgi(app, given["port"])


def starlette(given: dict[str, Any], work: Work) -> None:
    """Serve with starlette-exporter."""
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette_exporter import PrometheusMiddleware, handle_metrics

    def view(_):
        return Response("done" if (well := work.do()) else "failed", 200 if well else 500)

    routes = [Route(each, view) for each in given["routes"]]
    app = Starlette(routes=[*routes, Route("/metrics", handle_metrics)])
    app.add_middleware(PrometheusMiddleware, app_name=given.get("app_name", "starlette"))
    _asgi(app, given["port"])


def grpc(given: dict[str, Any], work: Work) -> None:
    """Serve gRPC with py-grpc-prometheus; a plain HTTP port passes each call on to it."""
    from concurrent.futures import ThreadPoolExecutor
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    import grpc as rpc
    from prometheus_client import start_http_server
    from py_grpc_prometheus.prometheus_server_interceptor import PromServerInterceptor

    def answer(_, context):
        if not work.do():
            context.set_code(rpc.StatusCode.INTERNAL)
        return b"done"

    server = rpc.server(
        ThreadPoolExecutor(12),
        interceptors=(PromServerInterceptor(enable_handling_time_histogram=True),),
    )
    handler = rpc.unary_unary_rpc_method_handler(answer)
    server.add_generic_rpc_handlers(
        (rpc.method_handlers_generic_handler(given["rpc_service"], {"Get": handler}),)
    )
    inner = server.add_insecure_port("127.0.0.1:0")
    server.start()
    start_http_server(given["metrics_port"], "127.0.0.1")
    call = rpc.insecure_channel(f"127.0.0.1:{inner}").unary_unary(f"/{given['rpc_service']}/Get")

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                call(b"")
                self.send_response(200)
            except rpc.RpcError:
                self.send_response(500)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    ThreadingHTTPServer(("127.0.0.1", given["port"]), Door).serve_forever()


def _written(given: dict[str, Any], work: Work, path: str, text) -> None:
    """Serve a kind whose exposition is written here; `text` gets what was seen."""
    from flask import Response

    lock = threading.Lock()
    counts: dict[tuple[str, int], int] = defaultdict(int)
    sums: dict[tuple[str, int], float] = defaultdict(float)
    last: dict[tuple[str, int], deque[tuple[float, float]]] = defaultdict(
        lambda: deque(maxlen=2000)
    )
    app = _flask_app(work, given["routes"])

    @app.before_request
    def begin() -> None:
        from flask import g

        g.began = time.perf_counter()

    @app.after_request
    def end(response):
        from flask import g, request

        if request.path != path:
            took = time.perf_counter() - g.began
            key = (request.path, response.status_code)
            with lock:
                counts[key] += 1
                sums[key] += took
                last[key].append((time.time(), took))
        return response

    def page():
        with lock:
            recent = {k: [t for at, t in v if at > time.time() - 120] for k, v in last.items()}
            body = "\n".join(text(dict(counts), dict(sums), recent))
        return Response(body + "\n", mimetype="text/plain")

    app.add_url_rule(path, endpoint="page", view_func=page)
    _wsgi(app, given["port"])


def micrometer(given: dict[str, Any], work: Work) -> None:
    """Serve what Spring Boot's `/actuator/prometheus` shows by default: no buckets."""

    def text(counts, sums, recent):
        def series(key) -> str:
            uri, status = key
            outcome = "SERVER_ERROR" if status >= 500 else "SUCCESS"
            failed = "none" if status < 500 else "IllegalStateException"
            return (
                f'error="{failed}",exception="{failed}",method="GET",outcome="{outcome}",'
                f'status="{status}",uri="{uri}"'
            )

        name = "http_server_requests_seconds"
        yield f"# HELP {name}  "
        yield f"# TYPE {name} summary"
        for key, count in counts.items():
            yield f"{name}_count{{{series(key)}}} {float(count)}"
            yield f"{name}_sum{{{series(key)}}} {sums[key]}"
        yield f"# HELP {name}_max  "
        yield f"# TYPE {name}_max gauge"
        for key in counts:
            yield f"{name}_max{{{series(key)}}} {max(recent[key], default=0.0)}"
        heap = 180e6 + 60e6 * random.random()
        for name, kind, labels, value in (
            ("jvm_memory_used_bytes", "gauge", 'area="heap",id="G1 Old Gen"', heap),
            ("jvm_memory_max_bytes", "gauge", 'area="heap",id="G1 Old Gen"', 5.36870912e8),
            ("jvm_threads_live_threads", "gauge", "", 41.0),
            ("process_cpu_usage", "gauge", "", 0.06 + 0.02 * random.random()),
            ("system_cpu_count", "gauge", "", 2.0),
            ("hikaricp_connections_active", "gauge", 'pool="HikariPool-1"', 3.0),
            ("hikaricp_connections_max", "gauge", 'pool="HikariPool-1"', 10.0),
            ("hikaricp_connections_pending", "gauge", 'pool="HikariPool-1"', 0.0),
        ):
            yield f"# TYPE {name} {kind}"
            yield f"{name}{{{labels}}} {value}"

    _written(given, work, "/actuator/prometheus", text)


def summary(given: dict[str, Any], work: Work) -> None:
    """Serve quantiles made by the client, in milliseconds, under a name nobody knows."""
    name = given["prefix"]

    def text(counts, sums, recent):
        took = f"{name}_response_time_ms"
        yield f"# HELP {took} Time to answer in milliseconds."
        yield f"# TYPE {took} summary"
        for uri in sorted({key[0] for key in counts}):
            seen = sorted(t for key, each in recent.items() if key[0] == uri for t in each)
            for quantile in (0.5, 0.9, 0.99) if seen else ():
                value = seen[min(int(quantile * len(seen)), len(seen) - 1)] * 1000
                yield f'{took}{{endpoint="{uri}",quantile="{quantile}"}} {value}'
            whole = sum(v for k, v in sums.items() if k[0] == uri) * 1000
            yield f'{took}_sum{{endpoint="{uri}"}} {whole}'
            count = sum(v for k, v in counts.items() if k[0] == uri)
            yield f'{took}_count{{endpoint="{uri}"}} {count}'
        answered = f"{name}_responses_total"
        yield f"# HELP {answered} Answers given."
        yield f"# TYPE {answered} counter"
        for (uri, status), count in counts.items():
            yield f'{answered}{{code="{status}",endpoint="{uri}"}} {count}'

    _written(given, work, "/metrics", text)


def worker(given: dict[str, Any], work: Work) -> None:
    """Take jobs from a queue of RabbitMQ; counted with prometheus_client under names of its own."""
    import pika
    from prometheus_client import Counter, Gauge, Histogram, start_http_server

    prefix = given["prefix"]
    done = Counter(f"{prefix}_jobs", "Jobs that ended.", ["result"])
    took = Histogram(f"{prefix}_job_duration_seconds", "Time one job takes.")
    waiting = Gauge(f"{prefix}_queue_length", "Jobs that wait.")
    for result in ("done", "failed"):
        done.labels(result)
    start_http_server(given["port"], "127.0.0.1")
    while True:
        try:
            channel = pika.BlockingConnection(pika.URLParameters(given["url"])).channel()
            declared = channel.queue_declare(given["queue"], durable=True)
            for number, (method, _, _) in enumerate(channel.consume(given["queue"])):
                with took.time():
                    well = work.do()
                done.labels("done" if well else "failed").inc()
                channel.basic_ack(method.delivery_tag)
                if number % 20 == 0:
                    declared = channel.queue_declare(given["queue"], durable=True, passive=True)
                    waiting.set(declared.method.message_count)
        except pika.exceptions.AMQPError:
            time.sleep(1)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    kinds = {f.__name__: f for f in (fastapi, flask, opentelemetry, starlette, grpc, micrometer)}
    kinds |= {f.__name__: f for f in (summary, worker)}
    kinds[asked["kind"]](asked, Work(asked["work"]))
