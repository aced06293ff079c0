"""NCALayer's protocol and the choice among keys: pure.

protocol   the shapes of messages and answers
orders     what a request asks for, read strictly
choosing   which keys fit
"""
