"""What every floor of the house needs and what knows nobody: it imports none of ours."""
