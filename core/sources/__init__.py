"""What can be copied, and how it is read."""
