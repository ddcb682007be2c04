"""`python -m livemerc` is `livemerc`."""

from livemerc.cli import main

if __name__ == "__main__":
    main()
