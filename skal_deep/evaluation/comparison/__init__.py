"""Strategies side by side: jobs, run directories, results."""
