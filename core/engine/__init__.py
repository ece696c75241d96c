"""Effects: what a session, a restore, a verification and a rebuild do to stores."""
