"""Many sources in one process: one model judges them together."""
