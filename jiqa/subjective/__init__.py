"""Opinions of observers: from votes to scores with intervals."""
