"""What the bot is told and decides about, as nouns; pure, no I/O."""
