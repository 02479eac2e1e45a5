"""What a customer may do: decided purely, loaded in bulk, answered from memory."""
