"""Playbooks: what may be done about which trouble, written by people as YAML.

    library/*.yaml --loader--> Library --triggers--> which fit --templates--> text leaves filled

A shelf: it knows neither the bot nor the tools. Action and metric names are passed in.
"""
