"""What changes the world: actions with a dry run, a fingerprint, a way back and a probe."""
