"""`livemerc bench`: what the monitor costs, and how long somebody who speaks waits. Loaded by that command alone."""
