"""Subjects that programs write, in the panel's languages (those of phrases.py).

Weights are in machine.py. Tables are written as those of phrases.py: the word in capitals is the
phrase's rarest.
"""

from __future__ import annotations

import re

from repondeur.rules.tables import Table

# Subjects of challenge systems: "Your email requires verification verify#x7f" (BoxTrapper).
CHALLENGE_SUBJECT = """
    requires VERIFICATION
    require VERIFICATION
    requires CONFIRMATION
    VERIFICATION required
    CONFIRMATION required
    CHALLENGE response
    CONFIRM your message
    CONFIRM your email
    CONFIRM your e mail
    CONFIRM this message
    CONFIRMATION de votre message
    CONFIRMEZ votre message
"""

# Subjects of jobs on Unix machines.
JOB_SUBJECT = """
    UNATTENDED upgrades
    smart ERROR
    DEGRADEDARRAY event
    apt LISTCHANGES
    FAIL2BAN
    cron JOB
    anacron JOB
    LOGWATCH for
    RKHUNTER
    AIDE report
    VZDUMP
    SCANNED image
    SCANNED document
    SCAN from
    from KMBT
    numérisation à PARTIR
    new VOICEMAIL
"""

# Subjects of receipts, parcel and account notices, alerts, newsletters.
NOTICE_SUBJECT = """
    NEWSLETTER
    DIGEST
    your ORDER
    your RECEIPT
    your INVOICE
    your PAYMENT
    your PASSWORD
    your ACCOUNT
    your SUBSCRIPTION
    your BOOKING
    your RESERVATION
    your PARCEL
    your PACKAGE
    your SHIPMENT
    your DELIVERY
    your STATEMENT
    your WEEKLY
    your DAILY
    your MONTHLY
    VERIFICATION code
    order CONFIRMATION
    booking CONFIRMATION
    payment CONFIRMATION
    payment RECEIVED
    order RECEIVED
    CONFIRMATION de votre
    CONFIRMATION de commande
    CONFIRMEZ votre
    CONFIRM your
    votre COMMANDE
    votre COLIS
    votre FACTURE
    votre COMPTE
    votre ABONNEMENT
    votre RÉSERVATION
    votre RELEVÉ
    votre LIVRAISON
    mot de PASSE
    code de VÉRIFICATION
    ihre BESTELLUNG
    ihre RECHNUNG
    ihre SENDUNG
    ihr PAKET
    ihr KONTO
    ihr PASSWORT
    ihre BUCHUNG
    su PEDIDO
    tu PEDIDO
    su FACTURA
    tu FACTURA
    tu CUENTA
    su CUENTA
    su ENVÍO
    tu ENVÍO
    CONTRASEÑA
    tuo ORDINE
    tua FATTURA
    sua FATTURA
    tuo ACCOUNT
    tuo PACCO
    tua SPEDIZIONE
    je BESTELLING
    uw BESTELLING
    uw FACTUUR
    je FACTUUR
    je PAKKET
    uw PAKKET
    WACHTWOORD
    seu PEDIDO
    sua FATURA
    sua CONTA
    sua ENCOMENDA
    sua SENHA
    twoje ZAMÓWIENIE
    twoja PACZKA
    twoje KONTO
    twoja FAKTURA
    twoje HASŁO
    nouvelle CONNEXION
    new SIGN in
    new LOGIN
    security ALERT
    alerte de SÉCURITÉ
    password RESET
    RESET your password
    RÉINITIALISATION
    RÉINITIALISER
    RÉINITIALISEZ
    ALERT
    ALERTE
    CRITICAL
    PROBLEM
    RECOVERY
    FAILED
    SUCCESSFUL
    BACKUP
"""

# RFC 7489 §7.2.1.1 and RFC 8460 §5.3: the subjects of aggregate reports.
REPORT_SUBJECT = re.compile(
    r"(?:\[[^\]]*\] ?)?report[ -]domain: ?\S+ .*(?:submitter|report-id)", re.IGNORECASE
)
# "Cron <root@web1> /usr/local/bin/backup"
CRON_SUBJECT = re.compile(r"(?:ana)?cron <\S+> ", re.IGNORECASE)

BOUNCE_SUBJECT = re.compile(
    r"""
      undeliver(?:able|ed)\b
    | (?:mail\ )?delivery\ (?:status\ )?
        (?:notification|fail|has\ failed|incomplete|problem\b|report|delayed)
        (?!\w*\ (?:for|of|with|to|at)\b)  # a person: "Delivery failed for my parcel"
    | (?:message|mail)\ (?:delivery\ )?(?:system\ )?(?:failed|failure|error|delivery|delayed)
    | delivery\ status\Z | non-?delivery
    | returned\ mail | failure\ (?:notice|delivery) | delayed\ mail
    | warning:\ (?:message|could\ not\ send) | mail\ could\ not\ be\ delivered
    | non[ -]?remis\b | unzustellbar | nicht\ zustellbar | non\ recapitabile
    | mancato\ recapito | onbestelbaar | no\ se\ puede\ entregar | n[ãa]o\ entregue | niedostarcz
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Exchange and its kin, colon and all; nobody types this.
AUTOREPLY_SUBJECT = re.compile(
    r"""
    \W*(?:out\ of\ (?:the\ )?office:?\ )?
    (?:auto(?:matic|mated)?[\ -]?(?:reply|response)|autore(?:ply|sponse)
      |r[ée]ponse\ automatique|automatische\ antwort|respuesta\ autom[áa]tica
      |risposta\ automatica|automatisch\ antwoord|resposta\ autom[áa]tica
      |odpowied[źz]\ automatyczna|autoodpowied[źz]
      |automatyczna\ odpowied[źz]|abwesenheitsnotiz|abwesenheitsmeldung)\W*[:\])]
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Outlook's receipts: "Lu : Budget". People too write "Read: ...".
RECEIPT_SUBJECT = re.compile(
    r"(?:not\ read|read|lu|non\ lu|gelesen|le[íi]do|letto|gelezen|lida|przeczytano)\s?:",
    re.IGNORECASE | re.VERBOSE,
)
# Also what a person tells colleagues: "Out of office next week".
ABSENCE_SUBJECT = re.compile(
    r"""
    \W*(?:out\ of\ (?:the\ )?office|auto:|absence\ du\ bureau|absent\ du\ bureau
      |message\ d.absence|abwesenheit|fuera\ de\ (?:la\ )?oficina|fuori\ (?:sede|ufficio)
      |afwezig|niet\ aanwezig|fora\ do\ escrit[óo]rio|ausente\ do|poza\ biurem
      |(?:i\ am\ |i'm\ )?on\ vacation)
    """,
    re.IGNORECASE | re.VERBOSE,
)

# Anywhere in the line.
SUBJECT = Table(
    ("challenge-subject", CHALLENGE_SUBJECT),
    ("job-subject", JOB_SUBJECT),
    ("notice-subject", NOTICE_SUBJECT),
)
