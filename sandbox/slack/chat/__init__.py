"""What people said and shared in the imitated workspace, and how it goes over the wire."""
