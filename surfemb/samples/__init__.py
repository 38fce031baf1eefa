"""What the networks learn from: rendered and real crops of the object, cut and pasted, under other light."""
