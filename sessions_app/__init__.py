"""Privileged sessions and login sessions. Each package is one subject, with its models, flows, views and tests.

From the top down: `pages` composes several subjects on one page; `worker` does what is due; `gateway` connects people
to hosts and records them; `vault` has secrets; `hosts` has SSH and the connectors; `privileged` has the privileged
session; `catalogue` has what can be requested; `logins` has login sessions; `people` has users, groups, applications
and account locks; `sample` makes sample data.

A request enters at sessionadmin/urls.py and goes by sessions_app/urls.py to the `urls` module of a package. The view
there calls a flow, which checks the permission, changes the database and writes the log.
"""
