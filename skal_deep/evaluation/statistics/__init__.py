"""What may be said of paired repeats: tests, intervals, verdicts, in words."""
