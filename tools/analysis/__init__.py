"""Pure maths over series, logs and verdicts: no I/O, no clock, importable in a worker process."""
