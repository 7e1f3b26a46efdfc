"""From what is on disk to training data: one file a kind of rows. A build can be stopped and gone on with."""
