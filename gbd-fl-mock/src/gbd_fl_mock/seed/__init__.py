"""The people of an empty register: synthetic, the same in every installation."""
