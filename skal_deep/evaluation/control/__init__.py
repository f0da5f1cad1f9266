"""Comparing chosen labels with random ones while labelling."""
