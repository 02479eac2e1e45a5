"""The configuration of an installation as one file: written out, compared with what is there, brought about."""
