collect_ignore = ["data/make_goldens.py"]  # needs PyTorch and other packages
