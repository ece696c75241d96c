"""The archiver without a cloud account: everything that decides and everything that moves bytes.

Read it from the bottom up; imports point one way, from the bottom of this list to its top:

- ``errors``: what can go wrong, sorted by what a caller does about it.
- ``limits``, ``ids``: every bound with its reason; names of blobs, points and sessions.
- ``model``: the values the other layers pass to each other.
- ``format``: bytes to values and back, without IO.
- ``plan``, ``catalog``, ``stores``: decisions; tables of items and blobs; where bytes live.
- ``sources``: what can be copied.
- ``engine``: effects: backup, plan, repack, publish, restore, verify, rebuild.
- ``appliance``: what the functions of an appliance share, whatever cloud calls them.
"""
