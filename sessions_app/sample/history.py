"""The privileged sessions of the sample data: weeks of history, and open sessions in every status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from sessions_app.sample import terminals
from sessions_app.sample.catalogue import Catalogue
from sessions_app.sample.people import People
from sessions_app.sample.story import Story

TICKET_NUMBERS = ("CHG-1041", "CHG-1052", "INC-2210", "INC-2237", "CHG-1066")


class Stories:
    """All sessions of the sample data, with times relative to `now`."""

    def __init__(self, people: People, catalogue: Catalogue, now: dt.datetime) -> None:
        self.people, self.catalogue, self.now = people, catalogue, now

    def all(self) -> list[Story]:
        """Return all sessions in the order of their requests."""
        return sorted(
            [*self.routine(), *self.eventful(), *self.live(), *self.to_come()],
            key=lambda story: story.session.requested_at,
        )

    def ask(
        self,
        user: str,
        policy: str,
        activity: str,
        resource: str,
        *,
        days: float = 0,
        minutes: float = 0,
        by: str = "",
        notes: str = "",
        ticket_number: str = "",
        starts_in: dt.timedelta | None = None,
    ) -> Story:
        """Add a request that was made so many days and minutes ago."""
        users, known = self.people.users, self.catalogue
        return Story(
            users[user],
            known.policies[policy],
            known.activities[activity],
            known.resources[resource],
            self.now - dt.timedelta(days=days, minutes=minutes),
            by=users[by] if by else None,
            notes=notes,
            ticket_number=ticket_number,
            starts_in=starts_in,
        )

    def routine(self) -> Iterator[Story]:
        """Yield ordinary work of the last four weeks."""
        users = self.people.users
        for week in range(4):
            for day, user, host in ((1, "alice", "web-1"), (2, "bob", "web-2"), (4, "dave", "web-1")):
                story = self.ask(user, "Patch the web", "Patch Linux", host, days=7 * week + day, minutes=17 * day)
                story.begin().log_on(3).log_off(35 + 10 * week)
                yield story.end(users[user], 2)
            ticket_number = TICKET_NUMBERS[week % len(TICKET_NUMBERS)]
            story = self.ask(
                "carol", "Databases", "Maintain PostgreSQL", "db-1", days=7 * week + 3, ticket_number=ticket_number
            )
            yield story.begin().log_on(1).extend(200).log_off(40).run_out()
            story = self.ask(
                "backup-job",
                "Databases",
                "Maintain PostgreSQL",
                "backup-1",
                days=7 * week + 5,
                by="admin",
                ticket_number=ticket_number,
                notes="Nightly copy",
            )
            yield story.begin().run_out()

    def eventful(self) -> Iterator[Story]:
        """Yield sessions that are interesting to find: with approvals, denials, failures and locks."""
        users = self.people.users
        root = ("Root needs approval", "Root shell")
        story = self.ask("alice", *root, "db-1", days=9, notes="Disk is full, need to move the archive")
        story.approve(users["approver"], 12).begin().connect(2, terminals.move_the_archive)
        yield story.disconnect(40.6).end(users["alice"], 1)
        story = self.ask("bob", *root, "web-2", days=8.3, notes="Curious how it looks inside")
        yield story.deny(users["approver"], 31, "Curiosity is not a reason. Ask again with a ticket.")
        yield self.ask("dave", *root, "web-1", days=6.6, notes="Kernel update over the weekend").time_out()
        story = self.ask("bob", *root, "db-1", days=5.4, notes="Replace the certificate")
        story.approve(users["carol"], 4).begin().connect(6, terminals.replace_the_certificate)
        story.lock(users["admin"], 20, "Please stop", "The certificate you are installing is the wrong one.")
        yield story.unlock(users["admin"], 15).disconnect(1.2).end(users["bob"], 1)
        story = self.ask("dave", "Patch the web", "Patch Linux", "web-2", days=4.2)
        story.begin().log_on(5)
        yield story.end(users["admin"], 45, terminated=True)
        story = self.ask("frank", "Switches", "Configure switches", "core-switch", days=3.7, ticket_number="CHG-1070")
        yield story.fail("core-switch cannot be reached.")
        story = self.ask(
            "alice",
            "Build server",
            "Root shell",
            "build-1",
            days=2.6,
            notes="Rotate the signing key",
            ticket_number="CHG-1071",
        )
        story.approve(users["approver"], 10, moves_on=False).approve(users["heidi"], 25).approve(users["carol"], 8)
        yield story.approve(users["admin"], 30).begin().log_on(4).run_out()
        story = self.ask("erin", "Team secrets", "Read shared secrets", "team-vault", days=1.5)
        story.begin().view_secret(1, "reporting password").view_secret(0.3, "reporting password", copied=True)
        yield story.run_out()
        story = self.ask("grace", "Domain", "Manage the domain", "dc-1", days=1.2, notes="New colleague starts Monday")
        yield story.approve(users["heidi"], 55).begin().log_on(1).log_off(22).end(users["grace"], 3)
        later = dt.timedelta(days=2)
        story = self.ask("alice", "Patch the web", "Patch Linux", "web-2", days=1.1, starts_in=later)
        yield story.end(users["alice"], 90)

    def live(self) -> Iterator[Story]:
        """Yield open sessions: available, logged in, locked, and one whose rights cannot be taken away."""
        users = self.people.users
        yield self.ask("alice", "Patch the web", "Patch Linux", "web-1", minutes=25).begin()
        yield self.ask("bob", "Patch the web", "Patch Linux", "web-1", minutes=95).begin().log_on(4)
        yield self.ask("dave", "Patch the web", "Patch Linux", "web-2", minutes=140).begin().log_on(2).extend(60)
        story = self.ask("carol", "Databases", "Maintain PostgreSQL", "db-1", minutes=50, ticket_number="INC-2251")
        yield story.begin().log_on(1)
        story = self.ask("erin", "Databases", "Maintain PostgreSQL", "db-1", minutes=70, ticket_number="INC-2252")
        story.begin().log_on(3)
        yield story.lock(users["admin"], 18, "Under review", "Call the operations desk before you go on.")
        story = self.ask("deploy-bot", "Patch the web", "Patch Linux", "web-2", minutes=33, by="admin", notes="Release")
        yield story.begin()
        story = self.ask("alice", "Root needs approval", "Root shell", "db-1", minutes=80, notes="Slow queries")
        yield story.approve(users["approver"], 9).begin().log_on(2)
        story = self.ask("carol", "Databases", "Maintain PostgreSQL", "backup-1", minutes=275, ticket_number="INC-2249")
        yield story.begin().log_on(2).get_stuck("backup-1 cannot be reached.")

    def to_come(self) -> Iterator[Story]:
        """Yield sessions that wait for approval or for their start."""
        users = self.people.users
        yield self.ask("alice", "Root needs approval", "Root shell", "web-1", minutes=14, notes="Broken package index")
        yield self.ask("bob", "Root needs approval", "Root shell", "web-2", minutes=41, notes="Rotate the logs")
        yield self.ask("grace", "Domain", "Manage the domain", "dc-1", minutes=8, notes="Reset a password policy")
        story = self.ask(
            "dave",
            "Build server",
            "Patch Linux",
            "build-1",
            minutes=130,
            notes="Compiler update",
            ticket_number="CHG-1080",
        )
        yield story.approve(users["approver"], 20, moves_on=False)
        for user, days in (("alice", 1), ("bob", 2), ("dave", 5)):
            start = dt.timedelta(days=days, minutes=30)
            yield self.ask(user, "Patch the web", "Patch Linux", "web-2", minutes=60 * days, starts_in=start)
        start = dt.timedelta(days=3)
        yield self.ask(
            "maximilian.von-und-zu-hohenstein",
            "Switches",
            "Configure switches",
            "core-switch",
            minutes=190,
            ticket_number="CHG-1090",
            starts_in=start,
        )
