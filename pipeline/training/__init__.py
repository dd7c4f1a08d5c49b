"""What the training loop needs: packed rows, adapters, schedule, step, validation, checkpoints, many processes."""
