"""The charge point's transactions: which run, under which number, and their messages on the way into the store."""

from __future__ import annotations

import msgspec

from . import wire_time
from ._generated import v16
from .errors import LocalProtocolError
from .store import OcppStore, TransactionRow


class Transactions:
    """Running transactions, in memory and in the store alike."""

    def __init__(self, store: OcppStore, connectors: int) -> None:
        self._store = store
        self._connectors = connectors
        self._running = {row.tx_ref: row for row in store.running()}

    def on(self, connector: int) -> TransactionRow | None:
        """The transaction running on a connector."""
        return next((row for row in self._running.values() if row.connector == connector), None)

    def known_as(self, transaction_id: int) -> TransactionRow | None:
        """The running transaction the central system knows under this number."""
        return next((row for row in self._running.values() if row.transaction_id == transaction_id), None)

    def begin(self, row: TransactionRow, meter_start_wh: int) -> bool:
        """Store a transaction with its StartTransaction; False when its tx_ref is known already."""
        if not 1 <= row.connector <= self._connectors:
            raise LocalProtocolError(f"connector {row.connector}: 1 to {self._connectors} exist")
        payload = v16.StartTransaction(
            connectorId=row.connector,
            idTag=row.id_tag,
            meterStart=meter_start_wh,
            timestamp=wire_time.to_text(row.start_unix_ms),
        )
        if not self._store.begin(row, v16.MESSAGES.encode(payload)):
            return False
        self._running[row.tx_ref] = row
        return True

    def sample(self, tx_ref: int, payload: v16.MeterValues) -> bool:
        """Store a MeterValues; False when the transaction does not run."""
        if tx_ref not in self._running:
            return False
        self._store.add_meter_values(tx_ref, v16.MESSAGES.encode(payload))
        return True

    def end(self, tx_ref: int, meter_stop_wh: int, reason: str, id_tag: str | None, unix_ms: int) -> bool:
        """Store a StopTransaction; False when the transaction is unknown or stopped."""
        payload = v16.StopTransaction(
            transactionId=0,  # learnt later; stands here only so that the schema can be checked now
            meterStop=meter_stop_wh,
            timestamp=wire_time.to_text(unix_ms),
            reason=reason,
            idTag=id_tag,
        )
        fields = msgspec.json.decode(v16.MESSAGES.encode(payload))
        del fields["transactionId"]
        if not self._store.end(tx_ref, msgspec.json.encode(fields)):
            return False
        self._running.pop(tx_ref, None)
        return True

    def learn(self, tx_ref: int, transaction_id: int) -> None:
        """The central system has named the transaction (the store knows already)."""
        if (row := self._running.get(tx_ref)) is not None:
            self._running[tx_ref] = msgspec.structs.replace(row, transaction_id=transaction_id)
