"""What may stop a plan at any moment: the guards' case, gathered and judged."""
