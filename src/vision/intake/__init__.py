"""Takes in a model that was trained elsewhere: reads it with care, repairs what it safely can, makes a model package.

What comes out is what vision.export makes of a checkpoint: uint8 RGB frames of any size in, logits out, preprocessing
inside the graph. It judges nothing: whether the model is good enough is for evaluation and the gates.
"""
