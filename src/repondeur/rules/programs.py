"""What programs put into their mail: fields, their own names, local parts and domains.

The tables of the rule `machine` (machine.py). Each entry names the program or an example.
"""

from __future__ import annotations

import re

from repondeur.rules import senders

# The sum from which on a message is taken for a machine's.
THRESHOLD = 10

# Fields by which programs show themselves, with their weights. The weight says how often the
# program that writes the field also sends what a person wrote.
FIELDS: dict[str, int] = {
    # Alone enough: written for a notice and never for a person's own message to a correspondent.
    "x-cron-env": THRESHOLD,  # vixie-cron: X-Cron-Env: <SHELL=/bin/sh>
    "x-github-reason": THRESHOLD,  # GitHub: X-GitHub-Reason: subscribed
    "x-gitlab-notificationreason": THRESHOLD,  # GitLab: mentioned
    "x-gitlab-pipeline-id": THRESHOLD,  # GitLab: a finished pipeline
    "x-jenkins-job": THRESHOLD,  # Jenkins: a finished build
    "x-jenkins-result": THRESHOLD,  # Jenkins: FAILURE
    "x-bugzilla-reason": THRESHOLD,  # Bugzilla: AssignedTo
    "x-phabricator-sent-this-message": THRESHOLD,  # Phabricator: Yes
    "x-launchpad-notification-type": THRESHOLD,  # Launchpad: bug
    "x-facebook-notify": THRESHOLD,  # Facebook: friend_confirmed; mailid=...
    "x-linkedin-class": THRESHOLD,  # LinkedIn: EMAIL-DEFAULT
    "x-linkedin-template": THRESHOLD,  # LinkedIn: email_pymk_01
    "x-amazon-mail-relay-type": THRESHOLD,  # Amazon: notification
    "x-failed-recipients": THRESHOLD,  # Exim and Gmail: the dead address of a bounce
    "x-mailer-daemon-recipients": THRESHOLD,  # the same of other mail servers
    "x-bounced-address": THRESHOLD,
    "x-bounceio-id": THRESHOLD,  # bounce.io: answers in the place of a dead address
    "x-ms-exchange-message-is-ndr": THRESHOLD,  # Exchange: empty, on its bounces
    "x-dsncontext": THRESHOLD,  # Exchange 2003: 7ce717b1 - 1196 - 00000002 - 00000000
    "x-arf": THRESHOLD,  # abuse reports: yes
    "x-xarf": THRESHOLD,  # abuse reports: PLAIN
    "x-ebay-mailtracker": THRESHOLD,  # eBay: 11021.000.0
    "x-amz-sns-message-id": THRESHOLD,  # Amazon's notification service
    "x-sentry-project": THRESHOLD,  # Sentry: website
    "x-gitea-reason": THRESHOLD,  # Gitea: assigned
    "x-forgejo-reason": THRESHOLD,  # Forgejo: mentioned
    "x-rss-feed": THRESHOLD,  # rss2email: https://b.example/feed
    "x-rss-url": THRESHOLD,
    "x-nagios-notification-type": THRESHOLD,  # Nagios and Icinga, where set up so: PROBLEM
    # Mailing programs' campaigns: newsletters, rarely a letter by hand.
    "x-campaign": 7,
    "x-campaignid": 7,
    "x-campaign-id": 7,
    "x-mailing-id": 7,
    "x-mc-user": 7,  # Mailchimp
    "x-mailchimp-id": 7,
    "x-mailjet-campaign": 7,
    "x-mailerlite-campaign": 7,
    "x-newsletter": 7,
    "x-list-unsubscribe": 7,  # as List-Unsubscribe, by programs that don't know it
    "x-list-unsubscribe-post": 7,
    "x-list-host": 7,
    "x-list-admin": 7,
    "x-unsubscribe": 7,
    "x-unsubscription-info": 7,
    "x-listmember": 7,  # phpList: alice@a.example
    "x-mailin-campaign": 7,  # Brevo: 8
    "x-roving-id": 7,  # Constant Contact: 1011005088243
    "x-kmail-account": 7,  # Klaviyo
    "x-kmail-message": 7,
    "x-emarsys-identify": 7,  # Emarsys
    "x-stormpost-to": 7,
    "x-pviq": 5,  # Marketo
    "x-marketoid": 5,
    "x-csa-complaints": 6,  # Certified Senders Alliance: mass senders
    "x-csa-compliance-source": 6,
    "cfbl-address": 4,  # RFC 9477: where complaints of mass mailings go
    "x-250ok-cid": 5,  # 250ok, Validity: who counts what arrives
    "x-sfmc-stack": 6,  # Salesforce Marketing Cloud
    "x-job": 5,
    "x-rpcampaign": 7,  # Return Path
    "x-email-type-id": 7,  # PayPal: PPX001066
    "x-virtual-mta": 4,
    "x-binding": 4,
    # Ticket and project systems: notices, but also what a support agent wrote by hand.
    "x-jira-fingerprint": 7,
    "x-redmine-host": 7,
    "x-redmine-project": 7,
    "x-trac-project": 7,
    "x-mantis": 7,
    "x-gerrit-messagetype": 7,
    "x-gitlab-project": 7,
    "x-discourse-topic-id": 7,
    "x-roundup-name": 7,
    "x-debian-pr-message": 7,
    "x-zendesk-priority-mail": 2,
    "x-otrs-version": 3,
    # Sending services: shops and robots, but also customer-relations programs and web mailers.
    "x-ses-outgoing": 5,
    "x-sg-eid": 4,
    "x-sg-id": 2,
    "x-mailgun-sid": 4,
    "x-mailgun-tag": 4,
    "x-mailgun-variables": 4,
    "x-mailgun-batch-id": 5,
    "x-mandrill-user": 5,
    "x-pm-message-id": 4,  # Postmark
    "x-mj-mid": 4,  # Mailjet
    "x-mj-smtpguid": 2,
    "x-entity-id": 2,  # SendGrid
    "x-mailin-eid": 4,  # Brevo
    "x-sib-id": 4,
    "x-sendinblue": 4,
    "x-smtpapi": 4,
    "x-msfbl": 4,  # SparkPost
    "x-postmark-tag": 4,
    "x-report-abuse": 4,
    "x-report-abuse-to": 4,
    "x-complaints-to": 3,
    "x-php-originating-script": 4,  # a web page's form or notice
    "x-php-script": 4,
    "x-notification-type": 6,
    "x-notification-category": 6,
    "x-notifications": 6,
    "x-github-sender": 7,  # GitHub: what somebody wrote there comes by its robot
    "x-github-recipient": 7,
    "x-googleforms-formid": 7,  # Google Forms: a form was filled in
    "x-discourse-post-id": 7,
    "x-amazon-metadata": 6,
    "x-yahoo-newman-property": 5,
    "errors-to": 4,
    "bounces-to": 4,
    "bounce-to": 4,
    "x-errors-to": 4,
    "x-auto-response-id": 4,
    "x-abuse-reports-to": 4,
    "x-mailer-recptid": 5,
    "x-mailer-lid": 5,
    "x-mailer-sid": 5,
    "x-accounttype": 2,
    # Weak: some providers put it on people's mail too.
    "feedback-id": 3,
    "x-feedback-id": 3,
}

# Mailing programs in X-Mailer and User-Agent; people write through some of them as well.
MAILERS = re.compile(
    r"(?<!zendesk )mailer|mailchimp|sendinblue|brevo|mailjet|sendy|acymailing|phplist|zend_?mail"
    r"|laravel|symfony|drupal|wordpress|prestashop|magento|javamail|jakarta|aspqmail|aspmail|cdosys"
    r"|cdo for (?:windows|exchange)|blat|mime.?lite|mime-tools|sendmail.pm|smtp|mailkit|gomail"
    r"|coldfusion|perl|python|ruby|php|jira|bugzilla|trac|redmine|nagios|zabbix|jenkins|newsletter"
    r"|bulk|dartmail|lyris|listmanager|listrak|groupmail|campaign|constant contact|accucast"
    r"|stormpost|quicksender|smart_send|sunmail|messagemaker|targetmail|emessaging|email manager"
    r"|mailbeamer|maileon|nlserver|robot|autorespon",
    re.IGNORECASE,
)

# Programs that a person sits in front of. A robot has no reason to bear their names.
CLIENTS = re.compile(
    r"thunderbird|microsoft outlook|outlook express|apple mail|iphone mail|ipad mail|mutt\b|kmail"
    r"|evolution|claws|roundcube|horde|squirrelmail|k-9 mail|fairemail|eudora|pine|\bvm \d|gnus"
    r"|lotus notes|groupwise|zimbra|ximian|exmh|nmh|sylpheed|the bat!|mozilla/|seamonkey|emclient"
    r"|rainloop|snappymail|sogo|open-xchange|protonmail|vivaldi|postbox|mailmate|airmail|spark\b"
    r"|aol \d|yahoomail|imp\b|internet messaging program|novell|entourage|macoutlook|outlook for"
    r"|pegasus mail|forte agent|mulberry|\belm \[|wanderlust|\bmew |notmuch|heirloom mailx|alpine"
    r"|mozilla \d|becky|turnpike|git-send-email|betterbird|mailspring|bluemail"
    r"|internet mail service|web ?mail|phpgroupware|calypso|powermail",
    re.IGNORECASE,
)

# Words of a robot's local part: nobody signs so. Whole words (senders.words).
ROBOTS = senders.vocabulary(
    """
    grafana alertmanager centreon checkmk cacti librenms netdata proxmox opsgenie pagerduty gitea
    forgejo teamcity azuredevops dependabot sonarqube asterisk pbx fritzbox copieur imprimante
    kopierer drucker autoreport autoreports rssfeeds rss2email vzdump rkhunter fail2ban
    notification notifications notify notifier notice notices alert alerts alertes avisos
    aviso robot cron crond anacron automated automatic automate automail mailbot
    autoreply autoresponder autorespond autoconfirm newsletter newsletters infolettre nieuwsbrief
    boletin bulletin mailing mailings digest digests ebill ebilling efacture receipts receipt
    autoconfirm automailer mailrobot webrobot
    benachrichtigung benachrichtigungen notificaciones notificacion notifiche notifica notificacoes
    meldingen melding powiadomienia powiadomienie nagios zabbix jira gitlab github bugzilla
    redmine trac icinga munin monit logwatch logcheck smartd mdadm dmarc tlsrpt fbl buildbot
    circleci watchdog mailer emailer
    scanner copier
    """
)
# Words of a role that people and programs share.
ROLES = senders.vocabulary(
    """
    info contact support service services sales billing accounts account orders order commande
    commandes commercial invoice invoices facturation facture factures rechnung rechnungen hello
    team news actualites marketing confirmation confirm updates update security securite shipping
    tracking suivi colis livraison delivery versand paket welcome bienvenue member members
    membership customer customers customerservice serviceclient relationclient offers offres promo
    promotions deals reservation reservations booking bookings survey surveys events feedback
    subscription subscriptions messages message mail email mailinglist list replies returns
    payments payment paiement
    admin administrator administrateur sysadmin webmaster root www-data apache nobody system systeme
    registration inscription signup ups nas jenkins bot daemon
    """
)
# Words of what programs tell: few people sign so.
NOTICES = senders.vocabulary(
    """
    confirmation confirm confirmations updates update shipping shipment tracking suivi colis
    livraison delivery versand paket sendung verify verification statement statements reminder
    backup backups monitoring messaging voicemail fax faxes alerte report reports reminders
    rappel rappels erinnerung recordatorio estratto relevé releve avis
    """
)
# Accounts of programs on a Unix machine.
ACCOUNTS = frozenset({"root", "www-data", "apache", "nobody", "nginx", "httpd", "cron", "www"})

# Envelope domains of sending services: a reply there reaches a bounce counter and never the
# person whose name stands in From, so silence costs nobody an answer.
BOUNCE_DOMAINS = re.compile(
    r"(?:^|\.)(?:amazonses\.com|sendgrid\.net|mailgun\.org|mandrillapp\.com|mcsv\.net|mcdlv\.net"
    r"|rsgsv\.net|sparkpostmail\.com|pm\.mtasv\.net|mailjet\.com|mj\.mailjet\.com|sendinblue\.com"
    r"|brevosend\.com|exacttarget\.com|mktomail\.com|mktdns\.com|cmail\d*\.com|createsend\d*\.com"
    r"|ccsend\.com|constantcontact\.com|emsecure\.net|hubspotemail\.net|klaviyomail\.com)$"
)
# The first label of an envelope domain kept for bounces: bounces.shop.example, em4571.shop.example.
BOUNCE_LABELS = re.compile(
    r"(?:[\w-]*bounce[sd]?[\w-]*|bnc\d*|rp|returns?|errors?|em\d{2,}|mailer)\."
    r"|[\w.-]+\.bounce[sd]?\."
)
# A label of From's domain kept for programs: newsletter.shop.example, alerts.bank.example.
PROGRAM_LABELS = re.compile(
    r"(?:^|\.)(?:e?newsletters?|enews|news|mailings?|alerts?|notif(?:y|ications?)|emailing|no-?reply"
    r"|e?-?mailer|euromailer|marketing|campaigns?|edm|promos?|deals|newsmail|automail|tracking"
    r"|receipts?)\d*\.(?=.*\.)"
)
# One that some people have too: email.provider.example, update.university.example.
MAYBE_LABELS = re.compile(
    r"(?:^|\.)(?:e|em|email|infos?|updates?|lists?|crm|mkt|offers?|rewards|info-?mail|shipping"
    r"|orders?|billing|service|customer-?mail|system-?mail)\d*\.(?=.*\.)"
)
# A local part no person has: a long run of hex digits, or a key of many digits.
# Said so that a search finds it at its first digit, and need not start at each letter before.
COUNTER = re.compile(r"(?=[0-9a-f]{16})[^@]*\d|\d{9}|\d[-_.=](?:[a-z]*\d+[-_.=]){2}|[0-9a-f-]{30}")
