"""An answer without a model: what is asked, what is found, in which words."""
