"""A question becomes an answer with its evidence."""
