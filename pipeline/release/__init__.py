"""How a trained model is released: a version in MLflow, its card, a folder for the hub, a GGUF file."""
