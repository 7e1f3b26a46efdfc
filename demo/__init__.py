"""The demo: from nothing to a comparison of DPO and SynPO, offline, on a CPU. `python -m demo`, from the root of a clone."""
