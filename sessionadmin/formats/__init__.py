"""How Django writes dates, by language: FORMAT_MODULE_PATH of the settings."""
