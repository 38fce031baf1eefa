"""`snap6d`: the command line."""
