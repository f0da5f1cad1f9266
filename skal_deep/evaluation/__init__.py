"""Simulated annotation, paired comparison and its report."""
