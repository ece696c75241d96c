"""Real parts with one fault, and builders, for the tests of everything above them."""
