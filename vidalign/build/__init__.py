"""From what is on disk to training data: each file builds one kind of rows, and can be stopped and gone on with."""
