"""Config -> objects, checked."""
