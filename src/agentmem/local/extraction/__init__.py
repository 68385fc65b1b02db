"""Long-term records from events: by rule (`rules`), or by a model (`model`); `engine` decides when."""
