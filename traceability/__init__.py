"""The pharmacy counter; README.md in this folder says what it will hold."""
