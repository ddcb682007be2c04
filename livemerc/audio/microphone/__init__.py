"""Microphones: PortAudio callbacks, clocks, groups of them, and the names of the devices."""
