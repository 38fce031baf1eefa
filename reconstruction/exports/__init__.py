"""A finished mesh as other programs want it: a texture in place of vertex colours, a solid with mass, files that they read."""
