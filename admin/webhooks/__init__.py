"""Webhooks: what happened is told to other programs, signed as Standard Webhooks does it.

Events are written by the store in the transaction of the change that causes them
(`store.protocols.Transaction.announce`); what is here sends them.
"""
