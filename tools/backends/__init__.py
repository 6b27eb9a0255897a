"""Adapters: each owns its configuration dataclass and is the only one that knows its protocol."""
