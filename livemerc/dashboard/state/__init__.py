"""What the dashboard knows of a session, without Textual."""
