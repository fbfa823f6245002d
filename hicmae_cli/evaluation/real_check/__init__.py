"""The check on real people: how well a weight, and others, judge photos of faces and acted voices."""
