"""One set of scenarios for all that drives sessions in a cloud: same calls, same ends."""
