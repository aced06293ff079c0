"""The twin of NCALayer, the program on a citizen's own computer that signs what a page asks it to sign."""
