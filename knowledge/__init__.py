"""What was learned before: postmortems, runbooks and solutions, and the search over them."""
