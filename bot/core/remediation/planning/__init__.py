"""How a draft becomes a plan: a playbook chosen, filled in, its risk scored, shown."""
