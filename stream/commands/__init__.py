"""The commands of `sixfold`, one module each; what is slow to import is imported inside them."""
