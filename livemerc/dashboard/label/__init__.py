"""The screen of `livemerc label`."""
