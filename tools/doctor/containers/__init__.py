"""What containers say: how they ended, why they cannot be made."""

from tools.doctor.containers import creation, exits, last_lines

ANALYSERS = (*exits.ANALYSERS, *creation.ANALYSERS, *last_lines.ANALYSERS)
