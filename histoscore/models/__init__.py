"""The networks: what they are, how they learn, how they are carried and how they predict.

The only room that imports torch and timm.
"""
