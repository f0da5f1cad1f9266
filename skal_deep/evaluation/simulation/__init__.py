"""Simulation of active learning on known labels."""
