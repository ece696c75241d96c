"""Other people's servers that the tests talk to, started once for each run of the tests."""
