"""The state of the process: what fails is named in the status, without the secrets in its words."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import httpx

from bot.composition.parts import Parts
from bot.composition.vitals import Vitals
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.scheduler import Scheduler
from tests.fakes.clock import FakeClock
from tests.fakes.decision import service
from tests.fakes.metrics import FakeMetrics
from tools.backends.alertmanager import Alertmanager
from tools.backends.transport import Connection
from tools.errors import BackendUnavailableError
from tools.world import Catalogue, ModelData

SECRET = "hunter22" + "hunter"


def vitals_of(metrics: FakeMetrics | None = None, refused: Mapping[str, str] = {}) -> Vitals:
    parts = SimpleNamespace(
        settings=SimpleNamespace(redactor=Redactor([SECRET]), off={"loki": "no LOKI_URL"}),
        clock=FakeClock(),
        model=None,
        metrics=metrics,
        logs=None,
        traces=None,
        cluster=None,
        alert_source=None,
        live_files=SimpleNamespace(refused=lambda: refused),
    )
    return Vitals(cast("Parts", parts), Texts("en"))


async def test_a_backend_that_is_down_is_told_without_the_secrets_in_its_words() -> None:
    metrics = FakeMetrics()
    metrics.broken = BackendUnavailableError("prometheus", f"no answer to {SECRET}")
    (health,) = await vitals_of(metrics).backends()
    assert health.detail == "prometheus: no answer to [redacted: known secret]"
    lines = await vitals_of(metrics).status()
    assert SECRET not in repr(lines)
    assert lines["loki"] == "off (no LOKI_URL)"


async def test_an_alertmanager_that_is_asked_is_a_backend_like_the_others() -> None:
    vitals = vitals_of()
    source = Alertmanager(
        Connection(url="http://am", retry_attempts=1),
        httpx.MockTransport(lambda _: httpx.Response(503, text="starting")),
    )
    cast("SimpleNamespace", vitals._parts).alert_source = source
    (health,) = await vitals.backends()
    assert (health.name, health.up) == ("alertmanager", False)
    await source.close()


async def test_a_playbook_that_does_not_serve_is_told() -> None:
    vitals = vitals_of(refused={"p/bad.yaml": f"p/bad.yaml:1:1: unknown key {SECRET!r}"})
    (health,) = await vitals.backends()
    assert (health.name, health.word) == ("playbooks", "degraded")
    told = (await vitals.status())["playbooks"]
    assert told == "degraded: 1 not taken: p/bad.yaml:1:1: unknown key '[redacted: known secret]'"


async def test_the_status_names_the_services_that_claude_may_not_read_whole() -> None:
    vitals = vitals_of()
    parts = cast("SimpleNamespace", vitals._parts)
    vault = service("vault", model_data=ModelData.NOTHING)
    known = Catalogue({}, {s.name: s for s in (service("shop"), vault)})
    parts.live_files.catalogue = lambda: known
    assert "what Claude may read" not in await vitals.status(), "nothing leaves without Claude"
    parts.model = object()
    told = (await vitals.status())["what Claude may read"]
    assert told == "vault: nothing, what belongs to no known service: nothing"
    known = Catalogue({}, {})
    assert "what Claude may read" not in await vitals.status()


def test_a_job_that_fails_is_told_without_the_secrets_in_its_words() -> None:
    vitals = vitals_of()
    states = {
        "detection.cycle": SimpleNamespace(error=f"BackendUnavailableError: {SECRET}"),
        "audit.seal": SimpleNamespace(error=""),
    }
    vitals.scheduler = cast("Scheduler", SimpleNamespace(states=states, leading=True))
    pulse = vitals.pulse()
    assert pulse.failing_jobs == {
        "detection.cycle": "BackendUnavailableError: [redacted: known secret]"
    }
    assert pulse.leading
