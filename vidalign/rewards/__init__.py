"""One reward per file."""
