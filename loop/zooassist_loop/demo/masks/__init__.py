"""The demo on masks: outlines of nuclei, proposed, corrected, learnt from and proposed again."""
