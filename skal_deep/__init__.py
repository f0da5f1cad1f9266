"""Deep active learning for people who live in scikit-learn."""

__version__ = "0.1.0.dev0"
