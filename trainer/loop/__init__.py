"""What every stage trains with: the loop, losses, metrics, calibration, checkpoints of a run."""
