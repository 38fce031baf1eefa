"""How fast the surface is trained, and what makes it fast: ratios taken in one process, so that they hold on any machine."""
