"""What a secret looks like, and how it is cut out of a text."""
