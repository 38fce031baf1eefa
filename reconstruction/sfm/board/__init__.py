"""Cameras from a printed board alone, where photos share too few features."""
