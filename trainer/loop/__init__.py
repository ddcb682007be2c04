"""What every stage trains with: the loop, losses, metrics, calibration, the folder of a run."""
