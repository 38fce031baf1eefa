"""Which sides of the object the photos show, and what became of each photo."""
