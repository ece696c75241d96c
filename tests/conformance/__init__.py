"""Does every store keep the promises of core/stores/store.py? One suite, a subclass per store."""
