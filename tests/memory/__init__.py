"""What a step takes in memory at most, measured in a process of its own."""
