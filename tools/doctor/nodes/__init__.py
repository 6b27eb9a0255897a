"""Nodes and what a cluster itself runs on."""

from tools.doctor.nodes import conditions, sandboxes, system, units

ANALYSERS = (*units.ANALYSERS, *conditions.ANALYSERS, *sandboxes.ANALYSERS, *system.ANALYSERS)
