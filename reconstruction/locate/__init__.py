"""One prompt -> the region in space that holds the object -> a prompt for every photo."""
