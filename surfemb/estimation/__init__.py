"""An image in, poses out: evidence, hypotheses, scores, refinement, depth."""
