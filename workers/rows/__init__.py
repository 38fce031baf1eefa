"""What the service knows: tables, and what may be done with their rows. Imports no torch."""
