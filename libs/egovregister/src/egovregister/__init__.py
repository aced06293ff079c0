"""What the twins of the registers share: a question is recorded, answered, and bent when a tester asks for it."""
