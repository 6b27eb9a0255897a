"""The Web API methods, one file per family; `table.py` is the closed list of what exists."""
