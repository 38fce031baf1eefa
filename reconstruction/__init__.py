"""Photos in, metric mesh out. Imports nothing of the other rooms."""
