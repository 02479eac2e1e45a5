-- Waiting records that a change may concern: one of their keys is among the keys that came or went.
SELECT waiting.id AS id FROM waiting SEMI JOIN <moved> AS moved ON moved.k = waiting.<ours>
