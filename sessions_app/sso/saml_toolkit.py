"""What of python3-saml is used. Imported when it is needed only, because the package is an extra (saml.py)."""

from lxml.etree import LxmlError
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.constants import OneLogin_Saml2_Constants
from onelogin.saml2.errors import OneLogin_Saml2_Error, OneLogin_Saml2_ValidationError
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
from onelogin.saml2.logout_request import OneLogin_Saml2_Logout_Request
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings, validate_url
from onelogin.saml2.utils import OneLogin_Saml2_Utils
from onelogin.saml2.xml_utils import OneLogin_Saml2_XML
from xmlsec import Error as XmlsecError

# What the package raises for a message that cannot be read or opened.
UNREADABLE = (
    ValueError,
    SyntaxError,
    TypeError,
    LookupError,
    AttributeError,
    LxmlError,
    XmlsecError,
    OneLogin_Saml2_Error,
    OneLogin_Saml2_ValidationError,
)

__all__ = [
    "UNREADABLE",
    "OneLogin_Saml2_Auth",
    "OneLogin_Saml2_Constants",
    "OneLogin_Saml2_Error",
    "OneLogin_Saml2_IdPMetadataParser",
    "OneLogin_Saml2_Logout_Request",
    "OneLogin_Saml2_Response",
    "OneLogin_Saml2_Settings",
    "OneLogin_Saml2_Utils",
    "OneLogin_Saml2_ValidationError",
    "OneLogin_Saml2_XML",
    "validate_url",
]
