"""What a summary is made of: statements taken word for word, kept up to date, and chosen under a budget."""
