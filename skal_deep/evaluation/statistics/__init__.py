"""Statistics of paired repeats: tests, intervals, and conclusions in words."""
