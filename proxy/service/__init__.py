"""``coldhaul proxy run``: the service that keeps the schedule of jobs.

Read it in this order: ``decision`` (pure: what a job does now), ``job_runner`` (one job's
repositories, looks and runs), ``job_state`` (what the service knows of a job), ``service`` (the
loop), then how it speaks: ``event_log``, ``metrics``, ``web``, ``notices``, ``webhook``, ``mail``.
"""
