"""How exact and how fast the reconstruction is, on captures with exact truth."""
