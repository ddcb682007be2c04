"""What produces the model: corpora, the training loop, two recipes (compact, merits_l), evaluation, export."""
