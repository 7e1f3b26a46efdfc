"""Pairs of captions that the checkpoint itself wrote: DPO, SynPO, and supervised training on the better one."""
