"""The demo with sound: AVoCaDO's two stages and its ablation of the rewards, in small. `python -m demo.av`."""
