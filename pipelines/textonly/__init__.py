"""Readers who see no picture: three detectors that look for the false phrase in the text of a caption alone.

Whatever they find was given away by the words, and teaches nobody to look. `candidates` says what they choose from,
`ngrams`, `surprise` and `meaning` are what they go by, `choice` how they weigh it, and `audit` how well they do.
"""
