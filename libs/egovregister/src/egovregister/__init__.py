"""What the twins of the registers share: a question is recorded, answered, and bent when a tester asks for it.

It knows neither persons nor powers of attorney: a register gives `finding.Register`, the rest is here.
"""
