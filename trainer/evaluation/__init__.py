"""How good a checkpoint is, with intervals, and what streaming costs."""
