"""One module a group of commands: flags become arguments, nothing heavy is imported before it is needed."""
