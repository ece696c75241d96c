"""The archiver appliance in Amazon's cloud: the steps of a session as Lambda functions.

Handlers open, call and log; everything that decides or moves bytes is in ``core``.
"""
