"""What the API is asked, one file per noun: check the right, call core, answer."""
