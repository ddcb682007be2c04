"""Pretrained encoders as front ends, and the cache of their features."""
