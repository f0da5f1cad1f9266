"""Deep active learning for people who work in scikit-learn.

The parts are in packages that mirror scikit-activeml's: ``skal_deep.pool`` holds the
query strategies, ``skal_deep.classifier`` classifiers with a posterior,
``skal_deep.evaluation`` simulation and comparison, ``skal_deep.functional`` the
mathematics on torch tensors.
"""

__version__ = "0.1.0.dev0"
