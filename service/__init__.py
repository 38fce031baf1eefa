"""The HTTP API. Importing it loads no torch."""
