"""Query strategies for a pool of unlabelled data, and rules that form a batch."""
