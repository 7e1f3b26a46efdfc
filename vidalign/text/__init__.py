"""Words and stems: what judges, rewards and chains know of language."""
