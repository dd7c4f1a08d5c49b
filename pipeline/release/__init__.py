"""What becomes of a trained model: a version in MLflow, its card, a folder for the hub, a GGUF file."""
