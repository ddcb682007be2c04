"""One module a command: its flags and one call. Nothing heavy is imported before it is needed."""
