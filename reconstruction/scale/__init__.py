"""From the units of SfM to metres, by what the capture knows of sizes, and to the object's own frame."""
