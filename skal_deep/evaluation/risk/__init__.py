"""Estimates of a pool's mean loss that the choice of labels does not bias."""
