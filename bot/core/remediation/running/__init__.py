"""An approved plan at work: claimed once, step by step under permits, verified, undone."""
