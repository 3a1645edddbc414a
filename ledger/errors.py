"""What the pure parts of the ledger raise when they refuse."""


class LedgerRefusal(ValueError):
    """Something was refused: `code` is stable and meant for programs, `sentence` says what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(f"{sentence} [{code}]")
        self.code = code
        self.sentence = sentence
