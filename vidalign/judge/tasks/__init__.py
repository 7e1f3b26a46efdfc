"""What judges are asked here: one task a file, each a function that returns a `Question`."""
