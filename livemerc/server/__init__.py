"""Rooms behind WebSockets: one process, one recogniser, one model, and a page that listens."""
