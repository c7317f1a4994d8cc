"""Settings of signing in. base.py takes them over."""

# django-allauth runs the steps of a login; our own forms, limits and pages stand before it (logins/sign_in.py). Nobody
# signs up, no address is verified, and no e-mail is sent by it.
ACCOUNT_ADAPTER = "sessions_app.logins.sign_in.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*"]
ACCOUNT_EMAIL_NOTIFICATIONS = False
ACCOUNT_LOGIN_TIMEOUT = 15 * 60  # seconds between the password and the second factor
ACCOUNT_RATE_LIMITS = False  # logins/throttle.py counts failed tries
# What a login passes after its first step: the classes of allauth's login stages, in this order.
LOGIN_STAGES = ["sessions_app.factors.stage.SecondFactorStage"]
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
