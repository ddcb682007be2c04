"""What happens between the ears and the sinks: recogniser, estimator, dialogue, and the monitor where they meet."""
