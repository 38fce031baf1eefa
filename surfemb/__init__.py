"""Mesh in, 6-D pose out: dense correspondences, hypotheses, refinement."""
