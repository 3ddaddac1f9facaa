"""Who may charge. Pure."""
