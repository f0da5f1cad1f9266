"""Access of strategies to models of any kind."""
