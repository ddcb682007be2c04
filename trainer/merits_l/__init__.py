"""The paper's full-size model, stage by stage."""
