"""How poems are written: token by token in a batch, without loops, and the best of several."""
