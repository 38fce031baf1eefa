"""A finished object in the formats of other programs: the last stage, and `snap6d export`."""
