"""Typed tools that read and change the world; they run without Slack and without Claude."""
