"""Pods that no node takes: which of their own wishes, or what of the nodes, stands in the way."""

from tools.doctor.scheduling import pending, placement

ANALYSERS = (*placement.ANALYSERS, *pending.ANALYSERS)
