"""What the room does when somebody does something: parse, check the right, call core, render."""
