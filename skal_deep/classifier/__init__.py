"""Classifiers with a posterior over a skorch net, and what strategies may ask of one."""
