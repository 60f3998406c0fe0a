"""OpenLDAP's server with a few entries, on a free port."""

from __future__ import annotations

from collections.abc import Sequence

from tests.peers.process import LOOPBACK, Peer, answers, free_ports, program
from tests.peers.tls import certificate

PACKAGE = "slapd ldap-utils"
BASE = "dc=example,dc=net"
READER, PASSWORD = f"cn=reader,{BASE}", "geheim sehr"
SIZE_LIMIT = 2  # entries of an answer without pages (RFC 2696), as servers limit it

# Further addresses as the schema of Debian's own package has them: mailLocalAddress.
CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCertificateFile {certificate}
TLSCertificateKeyFile {certificate}
sizelimit size={limit} size.pr=1000 size.prtotal=unlimited
database mdb
suffix "{base}"
directory {folder}/data
access to attrs=userPassword by anonymous auth
access to * by dn.exact="{reader}" read
"""
ROOT = """\
dn: {base}
objectClass: dcObject
objectClass: organization
o: Hoster

dn: {reader}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: {password}

"""


class Slapd(Peer):
    """entries: LDIF below BASE. Only READER may read."""

    name = "slapd"

    def __init__(self, entries: str) -> None:
        self._slapd = program("slapd", PACKAGE)
        slapadd = program("slapadd", PACKAGE)
        super().__init__()
        (self.port,) = free_ports(1)
        self._conf = self.folder / "slapd.conf"
        self.certificate = self.folder / "cert.pem"  # what clients must trust
        try:
            (self.folder / "data").mkdir()
            self.certificate.write_bytes(certificate())
            given = {
                "folder": self.folder,
                "certificate": self.certificate,
                "limit": SIZE_LIMIT,
                "base": BASE,
                "reader": READER,
                "password": PASSWORD,
            }
            self._conf.write_text(CONFIG.format(**given))
            ldif = ROOT.format(**given) + entries
            self.tool(slapadd, "-f", str(self._conf), stdin=ldif)
        except BaseException:
            self.clean()
            raise

    def command(self) -> Sequence[str]:
        return [
            self._slapd,
            "-d",
            "0",
            "-f",
            str(self._conf),
            "-h",
            f"ldap://{LOOPBACK}:{self.port}",
        ]

    def ready(self) -> bool:
        return answers(self.port)

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self.port}"
