"""What must be told gets out: the queue, how a post is made, other ways, what is held."""
