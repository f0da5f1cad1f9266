"""Public checks of query strategies, classifiers and posteriors."""
