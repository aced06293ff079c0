"""What the origins of applications share: what is filled in, attached, sent and told of a case.

It knows neither accounts nor centres: an origin gives `origin.Origin`, the rest is here.
"""
