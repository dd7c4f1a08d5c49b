"""Which language a text is in, and where it changes."""
