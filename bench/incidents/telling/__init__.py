"""How a world tells of itself: metrics, log lines, objects, events, traces, alerts, deploys.

What the mechanics did is told in the conventions of public software, and not all of it: some
services are watched by nobody, lines are lost under load, events expire, clocks differ.
"""
