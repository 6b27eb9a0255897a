"""What is abnormal is found, grouped and told, and what people say about it."""
