"""What a training run needs beside the loop: packed rows, adapters, checkpoints, many processes."""
