"""One reader for each corpus; all give the same shape (`corpus.Corpus`)."""
