"""What every appliance's functions share, whatever cloud calls them: settings, opening, calls."""
