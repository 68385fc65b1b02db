"""Settings: the configuration's sections, and the sources their values come from."""
