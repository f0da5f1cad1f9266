"""How many more labels pay, judged by stored learning curves."""
