"""`python -m trainer` is `livemerc-train`."""

from trainer.cli import main

if __name__ == "__main__":
    main()
