"""Chains of ever worse captions: supervised training, DPO, MPO and ranking, with the vision tower learning or frozen."""
