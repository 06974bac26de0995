"""Tests of loading and capture."""
