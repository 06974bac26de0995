"""The fuzzer: random networks of a few operations each, extracted and judged by the oracle."""
