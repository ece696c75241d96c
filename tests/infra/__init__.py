"""What is deployed into clouds, judged by other people's checkers and held against our code."""
