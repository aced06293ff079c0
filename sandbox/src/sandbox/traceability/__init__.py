"""What an act demands, where the code does it, and which tests would notice if it did not; and back."""
