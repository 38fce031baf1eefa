"""A video -> sharp, well-spread frames, which are then a capture like any other. Decoding happens in a process of its own."""
