"""Calls models for agents, once per claim, and streams what they write."""
