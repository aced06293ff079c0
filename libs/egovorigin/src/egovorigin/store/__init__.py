"""Every query on the tables all origins have."""
