"""``coldhaul proxy``: the service that keeps the schedule."""

import sys

import typer

from proxy.exits import DONE
from proxy.invocation import Invocation, command, new_group
from proxy.service_tables import LogKind


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = new_group("Run the service that keeps the schedule.")
    command(group, "run")(run)
    app.add_typer(group, name="proxy")


def run(invocation: Invocation) -> int:
    """Run the jobs of this proxy, or of its pool, when they are due, until a signal ends it.

    SIGTERM and Ctrl-C stop what runs at a safe point; the next start goes on with it. SIGHUP reads
    the configuration again. Events go to stderr.

    Example: coldhaul proxy run
    """
    # What only the service needs takes long to import, and every command would wait for it.
    from proxy.service.event_log import EventLog
    from proxy.service.service import Service, need_proxy
    from proxy.service.signals import listening_to_signals

    proxy = need_proxy(invocation)
    is_json = not sys.stderr.isatty() if proxy.log is None else proxy.log == LogKind.JSON
    log = EventLog(sys.stderr, is_json=is_json)
    with listening_to_signals() as orders:
        service = Service(invocation, log)
        service.run(orders)
        log.info("proxy ended", signal=orders.stop.signal.name if orders.stop.signal else None)
    invocation.output.show(
        {"proxy": proxy.name, "pool": proxy.pool, "run_count": service.run_count},
        f"The proxy has ended after {service.run_count} runs of sessions.",
    )
    return orders.stop.exit_code or DONE
