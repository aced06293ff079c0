"""ЕНИС: twin of the notaries' register"""
