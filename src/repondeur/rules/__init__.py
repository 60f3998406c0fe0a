"""The rules: pure, without a clock, randomness or any other view of the world."""
