"""What the agent does.

desk       every signature is a question to the person: who asks, what is signed, with which key
signing    the signatures themselves
"""
