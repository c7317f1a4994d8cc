"""The console: privileged sessions, login sessions, and the gateway to the hosts.

Each package is one subject. They stand from the top down: a package imports from those below it only.

    management/    commands, such as `sessionadmin serve`, and the processes that they start
    serving/       the web server: sockets, bodies, threads
    templatetags/  what templates need beyond Django's own tags
    sample/        sample data for a trial
    pages/         pages that show several subjects: a session, a person, a resource, health
    scim/          users and groups that an identity provider makes and changes (SCIM 2.0)
    worker/        what is due: give rights, watch, end, take away; the health of the parts
    reviews/       reviews that auditors sign off: periods of the log, and the rights that people have
    schedules/     downloads that the worker makes at regular times, and whose link it sends by mail
    siem/          the way of the log's entries to other systems, such as a SIEM
    reports/       reports for auditors, such as who approved what in a period
    evidence/      proof that the log is whole: hash tree, signed checkpoints, and the check of both
    not_me/        “This wasn't me”: the mail about a new device, its link, and what its button does
    gateway/       the way to a host: SSH and browser, control over connections, recordings
    vault/         secrets that a session shows
    hosts/         connectors for hosts, SSH keys, the certificate authority
    privileged/    the privileged session: models, status, policy, flows, lists
    catalogue/     what may be requested: resources, activities, connection profiles, access policies
    sso/           single sign-on: providers, whose account is whose, logout from both sides
    factors/       second factors: setting them up, asking for them, how long one counts as fresh
    logins/        login sessions: authentication, client address, place, device
    login_rules/   settings of sign-in: from where, when and how often people log in
    devices/       the devices of a person: their cookie, and what else they are recognised by
    people/        users, groups, applications, locked accounts
    help/          the documents, shown under /help/ with a search
    admin/         what the admin modules of the packages share
    configuration/ the frame of the pages on which administrators add, change and delete

Single modules stand above, between and below them, such as wiring.py, permission.py and sealing.py. The picture in
docs/architecture.md shows where.

A request of a browser enters in serving/bridge.py and passes the middleware of sessionadmin/settings/base.py. urls.py
leads to the urls.py of a package, that to a view, the view to a flow. An SSH client enters in gateway/listening.py. The
worker starts in worker/loop.py. docs/architecture.md follows each of them from file to file.
"""
