"""Export of weights for other programs: raw faces and sound as inputs, other precisions, and a comparison of them."""
