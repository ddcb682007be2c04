"""Who speaks: voices made points, and utterances shared out among speakers as they come."""
