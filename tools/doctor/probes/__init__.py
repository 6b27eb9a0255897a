"""Probes that fail although the process is well: wrong port, wrong protocol, too little time."""

from tools.doctor.probes import gates, verdicts

ANALYSERS = (*verdicts.ANALYSERS, *gates.ANALYSERS)
