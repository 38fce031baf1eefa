"""What a pixel of a training photo shows."""

OUTSIDE, EDGE, OBJECT, HIDDEN, DOUBTFUL = 0, 1, 2, 3, 4
"""EDGE pixels mix object and background: they count for the outline, not for the colour. HIDDEN: the mask has a bite there.
DOUBTFUL: the mask says object, and the photo shows what the ground looks like."""
TOLD = HIDDEN
"""Labels below it tell where the outline runs."""
