"""Pages and tables for people: the corpus, the evaluation, the summary in a terminal."""
