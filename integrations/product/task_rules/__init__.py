"""Tasks for customer success: rules find customers that need attention, the outbox makes one task an episode (PX-41)."""
