"""Incidents: declared, taken, handed over, told at a rhythm, merged, ended."""
