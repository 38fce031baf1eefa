"""COLMAP at arm's length: `request` is our side of the pipe, `process` the other; what runs over there is in the files beside it."""
