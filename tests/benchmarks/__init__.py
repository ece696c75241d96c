"""The arithmetic of the benchmarks, their data and their clock."""
