"""The person's hand: what NCALayer's window is.

http       the control API, for tests and tools
console    the terminal the agent runs in
"""
