"""How do others write a shape? One module per dialect, each naming the dialect in its functions.

`classifier_v2` is today's classifier (front-end-monorepo) and, as the same geometry, what a
pre-filled mark is written in. `classifier_v1` is the older one (Panoptes-Front-End).
`aggregation` is aggregation-for-caesar's extracts and reductions. All convert from and to the
canonical shapes of `zooassist_plugin.shapes`.
"""
