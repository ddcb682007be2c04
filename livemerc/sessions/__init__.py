"""A recorded session's folder: written, read, followed, played, corrected and compared. No torch."""
