"""What a run shows its user: the pages on the corpus and the evaluation, and the summary in the terminal."""
