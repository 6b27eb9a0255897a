"""Use cases over ports; they emit events and know neither Slack nor SQL."""
