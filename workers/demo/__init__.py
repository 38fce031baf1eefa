"""`snap6d demo`: the whole system on a capture that it renders itself, measured against the truth."""
