"""What people say to a plan, what time does to one that waits, the switches that stop all."""
