"""Benchmarks of gmn-fx: one runnable file a question. See README.md."""
