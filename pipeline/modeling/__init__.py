"""Base models and all that knows their insides: prompt, vocabulary, attention, likelihood, hardware."""
