"""Simulated active learning on data whose labels are known."""
