"""Threads, queues, clocks and signals: what knows nothing of emotions."""
