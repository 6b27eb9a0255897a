"""What keeps the bot itself in order: its files, its audit anchors, its view of the cluster."""
