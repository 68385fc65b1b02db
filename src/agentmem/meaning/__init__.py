"""Tells what a sentence says: its kind, and how sure that is, in any language.

    sentences   cuts a text into sentences, leaving out code, tables and quoted lines
    prose       finds the prose in a text: paragraphs and list items, each a span
    language    names the language of a text, for the rules of its abbreviations
    encoder     turns sentences into vectors; the packaged encoder, and a cache
    loading     loads the packaged encoder and classifier once a process, in the background
    prototypes  sample sentences for each kind, from prototypes.toml or a user
    kernel      the arithmetic of the classifier, on numpy arrays
    classifier  judges sentences by their nearness to the prototypes

Everything is decided by meaning (a multilingual sentence encoder and sample sentences) and by structure (punctuation,
list marks, fences). There are no word lists. The package reads no clock and knows nothing of Strands or AWS. Importing
it loads neither numpy nor the encoder.
"""
