"""The mathematics of acquisition and selection: tensors in, tensors out."""
