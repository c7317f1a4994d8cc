"""The devices of a person: recognised again by a cookie, else by browser, country and network. Knows no logins."""
