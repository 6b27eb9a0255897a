"""What would be done about it: a plan and its life, its risk, who must agree, what refuses it."""
