"""Data sets in other people's formats -> rows that the trainers take."""
