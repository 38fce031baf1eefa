"""Signed messages to whoever wants to hear that a job is over. Follows https://www.standardwebhooks.com. No torch here."""
