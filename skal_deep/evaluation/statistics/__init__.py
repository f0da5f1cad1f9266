"""Conclusions from paired repeats: tests, intervals, verdicts, in words."""
