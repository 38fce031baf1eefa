"""What a pixel of a training photo shows."""

OUTSIDE, EDGE, OBJECT, HIDDEN = 0, 1, 2, 3
"""EDGE pixels mix object and background: they count for the outline, not for the colour. HIDDEN: the mask has a bite there."""
