"""Messages as Block Kit: pure functions of the domain, no I/O, no clock."""
