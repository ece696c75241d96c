"""Measurements that answer the questions of the design: ``python -m benchmarks``."""
