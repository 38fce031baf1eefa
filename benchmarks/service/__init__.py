"""The service under load, by command."""
