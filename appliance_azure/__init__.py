"""The archiver appliance in Azure: the steps of a session as activities of Durable Functions.

Orchestrators decide what is called next; activities open, call and log; everything that moves bytes
is in ``core``.
"""
