"""Phrases of body and subject by which a program shows itself, in the panel's languages.

French, English, German, Spanish, Italian, Dutch, Portuguese, Polish. Weights are in machine.py.
"""

from __future__ import annotations

import re

# Where somebody else's words begin: a person who forwards a newsletter is still a person.
FORWARDED = re.compile(
    r"""
      ^\W*-{2,}[^\n]{0,40}
        (?:forwarded|original|transf[ée]r|r[ée]exp[ée]di|d.origine|weitergeleitete|urspr[üu]ngliche
          |reenviado|reenv[íi]o|mensaje\ original|inoltrato|messaggio\ originale|doorgestuurd
          |oorspronkelijk|encaminhada|mensagem\ original|przekazana|oryginalna|przesy[łl]ana)
    | ^\W*(?:begin\ forwarded\ message|d[ée]but\ du\ message|anfang\ der\ weitergeleiteten
          |inicio\ del\ mensaje|inizio\ messaggio|begin\ doorgestuurd)
    | ^\W*(?:from|de|von|da|van|od)\s?:\ [^\n]+\n\W*(?:sent|date|envoy[ée]|gesendet|datum|enviado
          |fecha|inviato|data|verzonden|wys[łl]ano)\b
    | ^_{10,}\s*$
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)

UNSUBSCRIBE = re.compile(
    r"""
      \bunsubscribe\b | \bopt[\ -]out\b | \bmanage\ (?:your|my)\ (?:e-?mail\ |notification\ )?
        (?:preferences|subscriptions?|settings)
    | \bupdate\ (?:your\ )?(?:e-?mail\ )?preferences | no\ longer\ (?:wish|want)\ to\ receive
    | view\ (?:this\ e-?mail\ |it\ )?(?:in|on)\ (?:your|a|the)?\ ?(?:web\ )?browser
    | you(?:'re|\ are)\ receiving\ this\ (?:e-?mail|message|newsletter|because)
    | \bd[ée]sabonner\b | \bd[ée]sinscri(?:re|vez|ption)\b
    | ne\ (?:souhaitez|voulez)\ plus\ recevoir
    | \bne\ plus\ recevoir\ (?:ces|nos|cette|de) | version\ en\ ligne | dans\ votre\ navigateur
    | \babbestellen\b | \babmelden\b | \bnewsletter\ abbestell | im\ browser\ (?:anzeigen|ansehen)
    | keine\ weiteren?\ (?:e-?mails?|newsletter)
    | dar(?:te|se)\ de\ baja | cancelar\ (?:la\ |tu\ |su\ )?(?:suscripci[óo]n|subscri[çc][ãa]o)
    | ver\ en\ (?:el|tu|su)\ navegador | no\ dese[ea]s?\ recibir\ m[áa]s
    | \bdisiscriv\w+ | annulla(?:re)?\ (?:l')?iscrizione | cancella(?:re|ti)\ dalla
    | non\ (?:vuoi|desideri|desidera)\ (?:pi[ùu]\ )?ricevere
    | \buitschrijven\b | \bafmelden\b | (?:nieuwsbrief|e-?mails?)\ meer\ (?:wilt\ )?ontvangen
    | cancelar\ (?:a\ )?(?:inscri[çc][ãa]o|assinatura) | descadastr\w+
    | remover\ (?:meu|seu)\ e-?mail
    | \bwypis(?:a[ćc]|z)\ si[ęe] | zrezygnowa[ćc]\ z\ (?:subskrypcji|newslettera)
    | rezygnacja\ z\ subskrypcji
    """,
    re.IGNORECASE | re.VERBOSE,
)

DO_NOT_REPLY = re.compile(
    r"""
      (?:do\ not|don'?t|don’t|cannot|can't|can’t)\ (?:be\ )?(?:repl(?:y|ied)|respond|answer)(?:ed)?
        (?:\ directly)?\ (?:to|here)
    | (?:please\ )?do\ not\ (?:reply|respond)\ *[.!)]
    | (?:mailbox|address|inbox|account)\ is\ (?:not|un)\ ?(?:monitored|attended|read|checked)
    | repl(?:y|ies)\ to\ this\ (?:e-?mail|message|address)\ (?:are|is|will)\ (?:not|un)
    | \b(?:ne\ pas|pas\ de)\ r[ée]pon(?:dre|se)\s+(?:directement\ )?[àa]\ (?:ce|cet|cette)\b
    | (?:merci|pri[èe]re|veuillez)\ (?:de\ )?ne\ pas\ (?:y\ )?r[ée]pondre
    | bo[îi]te\ (?:aux\ lettres\ )?(?:n'est|n’est)\ pas\ (?:lue|consult[ée]e|relev[ée]e)
    | antworten\ sie\ (?:bitte\ )?nicht\ auf | bitte\ nicht\ (?:auf\ diese\ .{0,20})?antworten
    | diese\ (?:e-?mail|nachricht)\ (?:kann|k[öo]nnen)\ (?:sie\ )?nicht\ (?:be)?antwort
    | no\ (?:responda|respondas|conteste|contestes|responder|contestar)\ a\ est[ea]
    | (?:por\ favor,?\ )?no\ (?:responda|conteste)s?\ *[.!]
    | (?:non|di\ non)\ rispond(?:ere|a|ete|i)\ (?:direttamente\ )?a\ quest
    | (?:niet|niet\ direct)\ (?:te\ )?(?:be)?antwoord(?:en)?\ op\ (?:deze|dit)
    | (?:deze|dit)\ (?:e-?mail|bericht)\ (?:kan|kunt)\ (?:u\ )?niet\ (?:worden\ )?beantwoord
    | n[ãa]o\ respond(?:a|er)\ (?:a\ )?est[ea] | n[ãa]o\ responda\ *[.!]
    | (?:nie|prosimy\ nie)\ odpowiada(?:j|[ćc])\ na\ (?:t[ęe]|ten|niniejsz)
    """,
    re.IGNORECASE | re.VERBOSE,
)

AUTOMATED = re.compile(
    r"""
      \b(?:this|the\ following)\ (?:e-?mail|message|is|notification|was|reply|mail)\ (?:is\ |was\ )?
        (?:an?\ )?(?:automated|automatic(?:ally)?|auto-?generated|system[\ -]generated)
    | (?:automatically|auto)[\ -](?:generated|sent)\ (?:by|e-?mail|message|from)
    | \b(?:this\ is\ an\ )(?:automated|automatic)\ (?:e-?mail|message|repl|respon|notif)
    | (?:message|mail|e-?mail|courriel|courrier)\ (?:est\ |a\ [ée]t[ée]\ )?
        (?:automatique|(?:envoy[ée]|g[ée]n[ée]r[ée])\ automatiquement)
    | (?:nachricht|e-?mail|mail)\ (?:wurde|wird|ist)\ (?:automatisch|maschinell)
    | automatisch\ (?:generierte|erstellte|erzeugte|versandte|gegenereerd|verzonden)
    | (?:mensaje|correo)\ (?:es\ |ha\ sido\ |fue\ )?(?:autom[áa]tico|generado\ autom[áa]ticamente
        |enviado\ autom[áa]ticamente)
    | (?:messaggio|e-?mail)\ (?:[èe]\ (?:stat[oa]\ )?)?(?:automatic[oa]
        |(?:generat[oa]|inviat[oa])\ automaticamente)
    | (?:mensagem|e-?mail)\ (?:[ée]\ |foi\ )?(?:autom[áa]tic[oa]
        |(?:gerad[oa]|enviad[oa])\ automaticamente)
    | wiadomo[śs][ćc]\ (?:zosta[łl]a\ )?(?:automatyczna|(?:wygenerowana|wys[łl]ana)\ automatycznie)
    """,
    re.IGNORECASE | re.VERBOSE,
)

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
        (?:notification|fail|has\ failed|incomplete|problem|report|delayed)
    | (?:message|mail)\ (?:delivery\ )?(?:system\ )?(?:failed|failure|error|delivery|delayed)
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
    \W*(?:auto(?:matic|mated)?[\ -]?(?:reply|response)|autore(?:ply|sponse)
      |r[ée]ponse\ automatique|automatische\ antwort|respuesta\ autom[áa]tica
      |risposta\ automatica|automatisch\ antwoord|resposta\ autom[áa]tica
      |odpowied[źz]\ automatyczna|automatyczna\ odpowied[źz]|abwesenheitsnotiz)\W*[:\])]
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Also what a person tells colleagues: "Out of office next week".
ABSENCE_SUBJECT = re.compile(
    r"""
    \W*(?:out\ of\ (?:the\ )?office|auto:|absence\ du\ bureau|absent\ du\ bureau
      |message\ d.absence|abwesenheits|fuera\ de\ (?:la\ )?oficina|fuori\ (?:sede|ufficio)
      |afwezig|niet\ aanwezig|fora\ do\ escrit[óo]rio|ausente\ do|poza\ biurem
      |(?:i\ am\ |i'm\ )?on\ vacation)
    """,
    re.IGNORECASE | re.VERBOSE,
)
# Challenge systems: "Your email requires verification verify#x7f" (BoxTrapper).
CHALLENGE_SUBJECT = re.compile(
    r"""
    .*(?:verify\#|challenge[\ -]response|requires?\ (?:verification|confirmation)
      |confirmation\ required|please\ confirm\ (?:your|this)\ (?:message|e-?mail)
      |confirmation\ de\ votre\ message)
    """,
    re.IGNORECASE | re.VERBOSE,
)
NOTICE_SUBJECT = re.compile(
    r"""
    .*(?:newsletter|\bdigest\b
      |your\ (?:order|receipt|invoice|payment|password|account|subscription|booking|reservation
        |parcel|package|statement|verification|weekly|daily|monthly)
      |(?:order|booking|payment)\ (?:confirm|received|\#)
      |confirm(?:ation|ez|er)?\ (?:de\ )?(?:votre|your|ihrer|su|tu|del|van)
      |votre\ (?:commande|colis|facture|compte|mot\ de\ passe|abonnement|code|r[ée]servation
        |relev[ée])
      |ihre?\ (?:bestellung|rechnung|sendung|paket|konto|passwort|buchung)
      |(?:su|tu)\ (?:pedido|factura|cuenta|contraseña|env[íi]o)
      |(?:il\ tuo|la\ tua|suo)\ (?:ordine|fattura|account|pacco|spedizione|password)
      |(?:je|uw)\ (?:bestelling|factuur|pakket|account|wachtwoord)
      |(?:seu|sua)\ (?:pedido|fatura|conta|encomenda|senha)
      |(?:twoje|twoja)\ (?:zam[óo]wienie|paczka|konto|faktura|has[łl]o)
      |nouvelle\ connexion|new\ sign-?in|security\ alert|alerte\ de\ s[ée]curit[ée]
      |password\ reset|reset\ your\ password|r[ée]initialis
      |\[?(?:alert|alerte|warning|critical|problem|recovery|failed|success|build)\b[\]:\ -])
    """,
    re.IGNORECASE | re.VERBOSE,
)


def own_words(text: str) -> str:
    """The part of `text` before the first forwarded or quoted message."""
    quoted = FORWARDED.search(text)
    return text[: quoted.start()] if quoted else text
