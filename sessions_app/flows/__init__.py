"""What people do, one verb a file. A flow bundles permission, change and log entry in one transaction.

Flows know nothing of HTTP. They raise `errors.Refused` or `lifecycle.LifecycleError` with a text fit for the person;
whoever catches it may be sure that nothing was changed.
"""
