"""Metrics of databases, caches and brokers, as their exporters document them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.incidents.graph import Part, What
from bench.incidents.parameters import Floats
from bench.incidents.telling.exposure import Exposure, Family, Row, spec
from bench.incidents.telling.requests import Families
from tools.world import MetricSpec


class Stores:
    """The parts of one product that an exporter watches."""

    def __init__(self, x: Exposure, product: str) -> None:
        """Take them."""
        self.x, self.product = x, product
        self.track, self.graph = x.incident.track, x.incident.stage.graph
        self.parts = [self.graph.parts[n] for n in x.watched_by(product)]

    def labels(self, part: Part, **more: str) -> dict[str, str]:
        return {
            self.x.label: part.name,
            "namespace": part.namespace,
            "instance": f"{part.name}:9187",
            **more,
        }

    def level(self, values: Floats, *, exact: bool = False, **more: str) -> Iterator[Row]:
        """Yield a level of each part, from (T, N) figures."""
        for part in self.parts:
            held = self.x.hold(values[:, part.number])
            yield (
                self.labels(part, **more),
                held if exact else self.x.noisy(held),
                self.x.answered(),
            )

    def count(self, values: Floats, **more: str) -> Iterator[Row]:
        """Yield a counter of each part, from (T, N) rates."""
        for part in self.parts:
            yield (
                self.labels(part, **more),
                self.x.counted(values[:, part.number]),
                self.x.answered(),
            )


def families(x: Exposure) -> Families:
    """Return the exporters' families."""
    found: Families = {}
    for product, make in PRODUCTS.items():
        if x.watched_by(product):
            found |= make(Stores(x, product))
    return found


def catalogue(x: Exposure) -> list[MetricSpec]:
    """Return what the team's catalogue says of them."""
    return [each for product, told in ENTRIES.items() if x.watched_by(product) for each in told(x)]


def _statements(s: Stores, *, seconds: bool) -> Iterator[Row]:
    """Yield time and calls by statement; what grew dear is the one that a fault names."""
    named = {
        f.strike.part: f.strike.details["statement"]
        for f in (*s.x.incident.faults, *s.x.incident.past)
        if "statement" in f.strike.details
    }
    usual = s.x.incident.stage.usual
    for part in s.parts:
        n = part.number
        served, slow = s.track.served[:, 0, n], s.track.slow[:, 0, n]
        common = float(usual.slow[-1, 0, n])
        text = named.get(n)
        for place, share in enumerate((0.6, 0.3)):
            of = s.labels(
                part,
                queryid=str(7001 + n * 10 + place),
                datname="app",
                query=(
                    "SELECT * FROM items WHERE id = $1",
                    "UPDATE items SET state = $1 WHERE id = $2",
                )[place],
            )
            each = np.minimum(slow, common * 1.5) if text else slow
            yield of, s.x.counted(served * share * (each if seconds else 1.0)), s.x.answered()
        dear = np.maximum(slow - 0.9 * np.minimum(slow, common * 1.5), 0.0) / 0.1
        of = s.labels(
            part,
            queryid=str(7009 + n * 10),
            datname="app",
            query=text or "SELECT count(*) FROM jobs",
        )
        spent = dear if text else common
        yield of, s.x.counted(served * 0.1 * (spent if seconds else 1.0)), s.x.answered()


def _postgres(s: Stores) -> Families:
    t = s.track
    served, failed = t.served[:, 0], t.own.sum(axis=2)
    limit = np.repeat(s.x.incident.stage.parameters.connections, len(t.times), 0)
    waits = np.clip(t.slow[:, 0] * served, 0, 1e4)
    return {
        "pg_up": Family("gauge", "", lambda: s.level(_up(s), exact=True)),
        "pg_stat_database_xact_commit": Family(
            "counter", "", lambda: s.count(served * (1 - failed), datname="app")
        ),
        "pg_stat_database_xact_rollback": Family(
            "counter", "", lambda: s.count(served * (failed + 0.001), datname="app")
        ),
        "pg_stat_activity_count": Family(
            "gauge", "number of connections in this state", lambda: _activity(s, waits)
        ),
        "pg_settings_max_connections": Family("gauge", "", lambda: s.level(limit, exact=True)),
        "pg_stat_statements_seconds_total": Family(
            "counter", "", lambda: _statements(s, seconds=True)
        ),
        "pg_stat_statements_calls_total": Family(
            "counter", "", lambda: _statements(s, seconds=False)
        ),
        "pg_locks_count": Family(
            "gauge",
            "Number of locks",
            lambda: s.level(3 + s.track.locked * served, mode="exclusivelock", datname="app"),
        ),
        "pg_replication_lag_seconds": Family(
            "gauge", "Replication lag behind master in seconds", lambda: _of_copies(s, t.lag)
        ),
    }


def _up(s: Stores) -> Floats:
    values: Floats = (s.x.serving > 0).astype(float)
    return values


def _activity(s: Stores, waits: Floats) -> Iterator[Row]:
    blocked = np.minimum(s.track.locked * s.track.served[:, 0], s.track.used)
    active = np.minimum(waits, s.track.used)
    for state, level in (
        ("active", active),
        ("idle", s.track.used * 0.3 + 3),
        ("idle in transaction", np.maximum(s.track.used - active, 0.0)),
    ):
        for labels, values, seen in s.level(level, state=state, datname="app"):
            yield labels, np.round(values), seen
    for labels, values, seen in s.level(
        blocked, state="active", wait_event_type="Lock", datname="app"
    ):
        yield labels, np.round(values), seen


def _of_copies(s: Stores, values: Floats) -> Iterator[Row]:
    for part in s.parts:
        if part.what is What.REPLICA:
            yield s.labels(part), s.x.noisy(s.x.hold(values[:, part.number]), 0.05), s.x.answered()


def _share(over: str, below: str, by: str) -> str:
    return f"sum by ({by}) ({over}) / max by ({by}) ({below})"


def _postgres_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    commit, back = (
        f"sum by ({by}) (rate(pg_stat_database_xact_{k}[5m]))" for k in ("commit", "rollback")
    )
    spent, calls = (
        f"sum by ({by}) (rate(pg_stat_statements_{k}_total[5m]))" for k in ("seconds", "calls")
    )
    return [
        spec(
            "postgres_up",
            "postgres",
            f"min by ({by}) (pg_up)",
            "ratio",
            "availability",
            group_by=by,
        ),
        spec(
            "postgres_rate",
            "postgres",
            f"{commit} + {back}",
            "transactions/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "postgres_errors",
            "postgres",
            f"{back} / ({commit} + {back})",
            "ratio",
            "errors",
            group_by=by,
            threshold=0.1,
        ),
        spec(
            "postgres_latency", "postgres", f"{spent} / {calls}", "seconds", "latency", group_by=by
        ),
        spec(
            "postgres_connections",
            "postgres",
            _share('pg_stat_activity_count{wait_event_type=""}', "pg_settings_max_connections", by),
            "ratio",
            "saturation",
            resource="connections",
            group_by=by,
            threshold=0.85,
        ),
        spec(
            "postgres_replication_lag",
            "postgres",
            f"max by ({by}) (pg_replication_lag_seconds)",
            "seconds",
            "lag",
            group_by=by,
            threshold=30.0,
        ),
    ]


def _mysql(s: Stores) -> Families:
    t = s.track
    limit = np.repeat(s.x.incident.stage.parameters.connections, len(t.times), 0)
    return {
        "mysql_up": Family(
            "gauge", "Whether the MySQL server is up.", lambda: s.level(_up(s), exact=True)
        ),
        "mysql_global_status_questions": Family("counter", "", lambda: s.count(t.served[:, 0])),
        "mysql_global_status_slow_queries": Family(
            "counter", "", lambda: s.count(t.served[:, 0] * np.clip(t.slow[:, 0] / 2.0, 0, 1) ** 2)
        ),
        "mysql_global_status_threads_connected": Family(
            "gauge", "", lambda: s.level(np.round(t.used + 3))
        ),
        "mysql_global_variables_max_connections": Family(
            "gauge", "", lambda: s.level(limit, exact=True)
        ),
        "mysql_perf_schema_events_statements_seconds_total": Family(
            "counter", "", lambda: _statements(s, seconds=True)
        ),
        "mysql_perf_schema_events_statements_total": Family(
            "counter", "", lambda: _statements(s, seconds=False)
        ),
        "mysql_global_status_innodb_row_lock_current_waits": Family(
            "gauge", "", lambda: s.level(np.round(s.track.locked * t.served[:, 0]))
        ),
        "mysql_slave_status_seconds_behind_master": Family(
            "gauge", "", lambda: _of_copies(s, t.lag)
        ),
    }


def _mysql_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    spent, calls = (
        f"sum by ({by}) (rate(mysql_perf_schema_events_statements_{k}[5m]))"
        for k in ("seconds_total", "total")
    )
    return [
        spec(
            "mysql_up", "mysql", f"min by ({by}) (mysql_up)", "ratio", "availability", group_by=by
        ),
        spec(
            "mysql_rate",
            "mysql",
            f"sum by ({by}) (rate(mysql_global_status_questions[5m]))",
            "queries/s",
            "traffic",
            group_by=by,
        ),
        spec("mysql_latency", "mysql", f"{spent} / {calls}", "seconds", "latency", group_by=by),
        spec(
            "mysql_connections",
            "mysql",
            f"max by ({by}) (mysql_global_status_threads_connected) / "
            f"max by ({by}) (mysql_global_variables_max_connections)",
            "ratio",
            "saturation",
            resource="connections",
            group_by=by,
            threshold=0.85,
        ),
        spec(
            "mysql_replication_lag",
            "mysql",
            f"max by ({by}) (mysql_slave_status_seconds_behind_master)",
            "seconds",
            "lag",
            group_by=by,
            threshold=30.0,
        ),
    ]


def _redis(s: Stores) -> Families:
    t = s.track
    asked = t.served[:, 0]
    memory = t.memory.max(axis=2)
    return {
        "redis_up": Family("gauge", "", lambda: s.level(_up(s), exact=True)),
        "redis_keyspace_hits_total": Family("counter", "", lambda: s.count(asked * t.hit)),
        "redis_keyspace_misses_total": Family("counter", "", lambda: s.count(asked * (1 - t.hit))),
        "redis_commands_processed_total": Family("counter", "", lambda: s.count(asked)),
        "redis_memory_used_bytes": Family("gauge", "", lambda: s.level(memory)),
        "redis_memory_max_bytes": Family(
            "gauge", "", lambda: s.level(np.full_like(memory, 4 * 2.0**30), exact=True)
        ),
    }


def _redis_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    hits, misses = (
        f"sum by ({by}) (rate(redis_keyspace_{k}_total[5m]))" for k in ("hits", "misses")
    )
    return [
        spec(
            "redis_up", "redis", f"min by ({by}) (redis_up)", "ratio", "availability", group_by=by
        ),
        spec(
            "redis_rate",
            "redis",
            f"sum by ({by}) (rate(redis_commands_processed_total[5m]))",
            "commands/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "redis_hit_ratio",
            "redis",
            f"{hits} / ({hits} + {misses})",
            "ratio",
            "saturation",
            resource="cache",
            group_by=by,
            down=True,
        ),
        spec(
            "redis_memory",
            "redis",
            f"max by ({by}) (redis_memory_used_bytes / redis_memory_max_bytes)",
            "ratio",
            "saturation",
            resource="memory",
            group_by=by,
        ),
    ]


def _behind(s: Stores) -> Floats:
    """Return messages that wait for each broker's workers, (T, N)."""
    values = np.zeros_like(s.track.served[:, 0])
    for link in s.graph.links:
        if s.graph.parts[link.caller].what is What.BROKER:
            values[:, link.caller] += s.track.waiting[:, 0, link.callee]
    return values


def _workers(s: Stores) -> dict[int, str]:
    return {link.caller: s.graph.parts[link.callee].name for link in s.graph.links}


def _kafka(s: Stores) -> Families:
    t = s.track

    def lag() -> Iterator[Row]:
        behind = _behind(s)
        for part in s.parts:
            worker = _workers(s).get(part.number, "")
            level = s.x.hold(behind[:, part.number] + t.served[:, 0, part.number] * 0.3)
            yield (
                s.labels(part, topic=part.name, consumergroup=worker),
                np.round(s.x.noisy(level, 0.05)),
                s.x.answered(),
            )

    return {
        "kafka_consumergroup_lag": Family(
            "gauge", "Current Approximate Lag of a ConsumerGroup", lag
        ),
        "kafka_topic_partition_current_offset": Family(
            "gauge", "", lambda: s.count(t.served[:, 0])
        ),
    }


def _kafka_told(x: Exposure) -> list[MetricSpec]:
    return [
        spec(
            "kafka_lag",
            "kafka",
            "sum by (consumergroup) (kafka_consumergroup_lag)",
            "messages",
            "lag",
            group_by="consumergroup",
        ),
        spec(
            "kafka_rate",
            "kafka",
            f"sum by ({x.label}) (rate(kafka_topic_partition_current_offset[5m]))",
            "messages/s",
            "traffic",
            group_by=x.label,
        ),
    ]


def _rabbitmq(s: Stores) -> Families:
    t = s.track
    return {
        "rabbitmq_queue_messages_ready": Family(
            "gauge",
            "Messages ready to be delivered to consumers",
            lambda: s.level(np.round(_behind(s)), queue="main"),
        ),
        "rabbitmq_global_messages_received_total": Family(
            "counter", "", lambda: s.count(t.served[:, 0])
        ),
        "rabbitmq_queue_consumers": Family("gauge", "", lambda: _consumers(s)),
    }


def _consumers(s: Stores) -> Iterator[Row]:
    for link in s.graph.links:
        broker = s.graph.parts[link.caller]
        if broker in s.parts:
            level = s.x.hold(s.x.serving[:, link.callee])
            yield s.labels(broker, queue="main"), level, s.x.answered()


def _rabbitmq_told(x: Exposure) -> list[MetricSpec]:
    return [
        spec(
            "rabbitmq_backlog",
            "rabbitmq",
            f"sum by ({x.label}) (rabbitmq_queue_messages_ready)",
            "messages",
            "lag",
            group_by=x.label,
        ),
        spec(
            "rabbitmq_rate",
            "rabbitmq",
            f"sum by ({x.label}) (rate(rabbitmq_global_messages_received_total[5m]))",
            "messages/s",
            "traffic",
            group_by=x.label,
        ),
    ]


PRODUCTS = {
    "postgres": _postgres,
    "mysql": _mysql,
    "redis": _redis,
    "kafka": _kafka,
    "rabbitmq": _rabbitmq,
}
ENTRIES = {
    "postgres": _postgres_told,
    "mysql": _mysql_told,
    "redis": _redis_told,
    "kafka": _kafka_told,
    "rabbitmq": _rabbitmq_told,
}
