"""Measurements of ours against a peer or a limit, in the same run: `python -m bench NAME`.

Each bench is one file with a `run(data)` that returns a `Report`. With `--data` it reads the public
layout of a recorded set; without, it generates what it measures, so that nothing is skipped.
"""
