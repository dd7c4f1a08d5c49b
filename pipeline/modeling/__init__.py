"""Base models and what depends on their insides: prompt, vocabulary, attention, likelihood, hardware."""
