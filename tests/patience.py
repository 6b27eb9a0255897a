"""How long a test waits for what must come: only a hang lasts so long, on any machine.

No verdict may depend on how fast a machine is. A test that waits for something waits so long; a
test of something that must not come makes sure by an order of events, not by a short wait; a limit
of time that is itself under test is the only one that runs against a server that stays silent.
"""

PATIENCE = 150.0  # wall seconds
