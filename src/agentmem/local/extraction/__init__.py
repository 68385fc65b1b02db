"""Makes long-term records from events: by rule (`extractor`), or by a model (`model`); `engine` decides when."""
