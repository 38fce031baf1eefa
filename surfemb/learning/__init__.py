"""The two networks, their loss, and how they are trained on one object."""
