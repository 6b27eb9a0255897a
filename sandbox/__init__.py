"""The imitated outside: a simulated production and a local Slack. Imports none of our own code."""
