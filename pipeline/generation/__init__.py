"""How a poem is written: the decoder, sampling, loops, and the best of n."""
