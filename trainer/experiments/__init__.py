"""What a part, an option or a voice never heard is worth: trainings that are measured and not shipped."""
