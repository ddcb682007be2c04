"""The recipe of the checkpoint that ships, stage by stage."""
