"""The CSI wire contract (`csi.proto`) and the modules generated from it. Knows nothing else of ours."""
