"""The entries of empty registers: synthetic, the same in every installation."""
