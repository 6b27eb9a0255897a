"""Workloads as their controllers see them: rollouts, autoscalers, jobs, pods that left."""

from tools.doctor.workloads import autoscalers, departures, jobs, rollouts

ANALYSERS = (
    *rollouts.ANALYSERS, *autoscalers.ANALYSERS, *jobs.ANALYSERS, *departures.ANALYSERS,
)  # fmt: skip
