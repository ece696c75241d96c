"""Where bytes live: names and bytes only, no idea of what they mean."""
