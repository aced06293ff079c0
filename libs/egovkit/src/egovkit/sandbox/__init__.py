"""What a service offers to testers, and only where its setting `sandbox` is true: elsewhere none of this exists.

`door` says what the deployment is and lets the holder of its token in; `clock` moves its time; `faults` breaks it by
name (`faulty_bus`, `faulty_http`, `skew`); `identities` are those who always give the same outcome; `exchanges` is the
request log (`taps`).
"""
