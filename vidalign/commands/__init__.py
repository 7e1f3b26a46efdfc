"""Documented functions as commands: their signatures and docstrings are the options and the help.

Nothing is imported here: a command line is quick to say what it can do.
"""
