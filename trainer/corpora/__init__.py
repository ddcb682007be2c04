"""Readers of corpora. Those in `registry` all give a `corpus.Corpus`; the compact recipe takes `text_corpora.TextRow`
and `clips.Clip`.
"""
