"""Measurements that take too long for a test, each a command."""
