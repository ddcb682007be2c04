"""The recipe of the paper's full-size model, stage by stage."""
