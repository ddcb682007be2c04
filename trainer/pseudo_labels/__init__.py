"""Texts that nobody has labelled get labels from a teacher, to pre-train the text encoder on."""
