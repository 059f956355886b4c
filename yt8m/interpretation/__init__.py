"""What a network looks at: parts of the picture hidden, activations taken back to pixels."""
