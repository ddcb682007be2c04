"""Which teacher the flags ask for."""

from __future__ import annotations

from livemerc.errors import ConfigError
from trainer.pseudo_labels.options import PseudoLabelOptions
from trainer.pseudo_labels.teachers import Teacher


def make_teacher(options: PseudoLabelOptions) -> Teacher:
    """The teacher that the flags ask for, ready to answer here. Raises `ConfigError`, `ModelError`."""
    if options.teacher == "vader":
        from trainer.pseudo_labels.teachers import Vader

        return Vader()
    if options.model is None:
        raise ConfigError(f"--teacher {options.teacher} needs a --model: its name at the endpoint, or a classifier's.")
    if options.teacher == "classifier":
        from trainer.pseudo_labels.teachers import Classifier, read_label_map

        label_map = None if options.label_map is None else read_label_map(options.label_map)
        return Classifier(options.model, label_map, options.device)
    from trainer.pseudo_labels.teacher_endpoint import EndpointTeacher

    return EndpointTeacher(options.model, options)
