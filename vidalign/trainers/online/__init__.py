"""What training on a model's own responses needs beside the trainer: batches of groups, rewards, failures, engines."""
