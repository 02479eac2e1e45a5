"""What happens when: which automation answers to a deal, how people write them, and their requests (ST-34 to ST-38)."""
