"""An answer by the model: what it is told, what it may read, and how its prose is released."""
