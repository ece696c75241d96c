"""What is counted, as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families

from core.engine.state import Transfer
from proxy.service.metrics import Metrics


def values(metrics: Metrics) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_job_is_shown_before_it_runs() -> None:
    metrics = Metrics()
    metrics.watch_job("nightly", lambda: 7.0)
    shown = values(metrics)
    assert shown["coldhaul_sessions_total", "nightly,Success"] == 0
    assert shown["coldhaul_lag_seconds", "nightly"] == 7
    assert shown["coldhaul_running", "nightly"] == 0


def test_runs_are_counted() -> None:
    metrics = Metrics()
    moved = Transfer(pack_count=2, blob_count=5, content_size=100, stored_size=40)
    metrics.count_run("nightly", "Success", moved, 12.0, 1000.0)
    metrics.count_run("nightly", "Failed", moved, 1.0, 2000.0)
    shown = values(metrics)
    assert shown["coldhaul_sessions_total", "nightly,Success"] == 1
    assert shown["coldhaul_sessions_total", "nightly,Failed"] == 1
    assert shown["coldhaul_content_bytes_total", "nightly"] == 200
    assert shown["coldhaul_stored_bytes_total", "nightly"] == 80
    assert shown["coldhaul_packs_total", "nightly"] == 4
    assert shown["coldhaul_last_success_timestamp_seconds", "nightly"] == 1000
    assert shown["coldhaul_session_duration_seconds_count", "nightly"] == 2


def test_a_job_that_is_gone_is_shown_no_longer() -> None:
    metrics = Metrics()
    metrics.watch_job("nightly", lambda: 7.0)
    metrics.forget_job("nightly")
    assert ("coldhaul_lag_seconds", "nightly") not in values(metrics)
    metrics.forget_job("nightly")


def test_a_job_that_runs_is_shown_to_run_after_a_reload() -> None:
    metrics = Metrics()
    metrics.watch_job("nightly", lambda: 7.0)
    metrics.running.labels("nightly").set(1)
    metrics.watch_job("nightly", lambda: 8.0)
    shown = values(metrics)
    assert shown["coldhaul_running", "nightly"] == 1
    assert shown["coldhaul_lag_seconds", "nightly"] == 8
