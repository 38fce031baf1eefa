"""How right poses are: errors, the object's symmetry, and its own measured accuracy."""
