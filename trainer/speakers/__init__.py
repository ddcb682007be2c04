"""Who speaks: the scorer of voices, taught; conversations made of clips, and how well they are shared out."""
