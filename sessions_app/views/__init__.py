"""Pages: fetch what the person may see, call a flow, render. No rule lives here."""
