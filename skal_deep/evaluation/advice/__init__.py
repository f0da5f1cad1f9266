"""Answers for a user: does active learning help, and when to stop."""
