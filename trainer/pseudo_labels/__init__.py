"""Labels from teachers for what nobody has labelled."""
