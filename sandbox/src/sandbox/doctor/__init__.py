"""`egov doctor`: what is wrong with a file or an address, in plain words. It asks the kit's own checkers."""
