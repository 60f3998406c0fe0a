"""Phrases of the body by which a program shows itself, in the panel's languages.

French, English, German, Spanish, Italian, Dutch, Portuguese, Polish. Weights are in machine.py.
Body phrases are plain words without accents and punctuation, one phrase a line. The word in
capitals is the phrase's rarest: a text that has none of these words is not looked at further,
which keeps the search off the hot path.
"""

from __future__ import annotations

from repondeur.rules.tables import Table

UNSUBSCRIBE = """
    UNSUBSCRIBE
    OPT out
    OPTOUT
    no longer wish to RECEIVE
    no longer want to RECEIVE
    se DÉSABONNER
    vous DÉSABONNER
    pour vous DÉSABONNER
    me DÉSABONNER
    DÉSABONNEMENT
    se DÉSINSCRIRE
    vous DÉSINSCRIRE
    me DÉSINSCRIRE
    DÉSINSCRIPTION
    DÉSINSCRIVEZ vous
    ne souhaitez plus RECEVOIR
    ne voulez plus RECEVOIR
    ne plus RECEVOIR
    ABBESTELLEN
    newsletter ABMELDEN
    hier ABMELDEN
    keine weiteren NEWSLETTER
    darse de BAJA
    darte de BAJA
    date de BAJA
    dese de BAJA
    cancelar su SUSCRIPCIÓN
    cancelar la SUSCRIPCIÓN
    cancelar tu SUSCRIPCIÓN
    no desea RECIBIR
    no deseas RECIBIR
    DISISCRIVITI
    DISISCRIVERTI
    DISISCRIVERSI
    DISISCRIZIONE
    annulla l ISCRIZIONE
    annullare l ISCRIZIONE
    non desideri più RICEVERE
    non vuoi più RICEVERE
    non desidera ricevere più RICEVERE
    UITSCHRIJVEN
    AFMELDEN
    niet meer ONTVANGEN
    cancelar a INSCRIÇÃO
    cancelar INSCRIÇÃO
    cancelar a SUBSCRIÇÃO
    cancelar SUBSCRIÇÃO
    cancelar a ASSINATURA
    DESCADASTRAR
    DESCADASTRE
    não deseja mais RECEBER
    WYPISAĆ się
    WYPISZ się
    zrezygnować z NEWSLETTERA
    zrezygnować z SUBSKRYPCJI
    rezygnacja z SUBSKRYPCJI
"""

# Why somebody receives it, and how to see it better: nobody asks so.
MAILING = """
    manage your PREFERENCES
    manage your email PREFERENCES
    manage your notification PREFERENCES
    update your PREFERENCES
    update your email PREFERENCES
    update PREFERENCES
    manage SUBSCRIPTIONS
    manage your SUBSCRIPTIONS
    manage your SUBSCRIPTION
    notification SETTINGS
    in your BROWSER
    in a BROWSER
    in BROWSER
    in the BROWSER
    you are RECEIVING this
    you re RECEIVING this
    you are SUBSCRIBED
    because you SUBSCRIBED
    you have SUBSCRIBED
    dans votre NAVIGATEUR
    VERSION en ligne
    im BROWSER
    en su NAVEGADOR
    en tu NAVEGADOR
    no seu NAVEGADOR
    nel BROWSER
    w PRZEGLĄDARCE
    vous RECEVEZ ce
    vous RECEVEZ cet
    vous RECEVEZ cette
    vous êtes ABONNÉ
    parce que vous êtes INSCRIT
    car vous êtes INSCRIT
    gérer vos PRÉFÉRENCES
    gérer mes PRÉFÉRENCES
    sie ERHALTEN diese
    du ERHÄLTST diese
    weil sie sich ANGEMELDET
    RECIBES este
    RECIBE este
    ha RECIBIDO este
    has RECIBIDO este
    RICEVI questa
    stai RICEVENDO questa
    hai RICEVUTO questa
    ONTVANGT deze
    ONTVANGT dit
    RECEBEU este
    está a RECEBER este
    está RECEBENDO este
    OTRZYMUJESZ tę
    OTRZYMAŁEŚ tę
"""

DO_NOT_REPLY = """
    do not REPLY to
    do not REPLY directly
    do not REPLY this
    please do not REPLY
    please don t REPLY
    don t REPLY to this
    cannot REPLY to this
    cannot be REPLIED
    do not RESPOND to this
    please do not RESPOND
    not be ANSWERED
    is not MONITORED
    not MONITORED
    UNMONITORED
    UNATTENDED mailbox
    REPLIES to this
    REPLIES are not read
    REPLIES will not
    you won t receive a REPLY
    ne pas RÉPONDRE à ce
    ne pas RÉPONDRE à cet
    ne pas RÉPONDRE à cette
    ne pas RÉPONDRE directement
    ne pas y RÉPONDRE
    merci de ne pas RÉPONDRE
    prière de ne pas RÉPONDRE
    veuillez ne pas RÉPONDRE
    ne RÉPONDEZ pas à ce
    ne RÉPONDEZ pas à cet
    ne RÉPONDEZ pas à cette
    n est pas CONSULTÉE
    n est pas RELEVÉE
    ne peut recevoir de RÉPONSE
    ANTWORTEN sie nicht auf diese
    ANTWORTEN sie bitte nicht
    bitte ANTWORTEN sie nicht
    bitte nicht ANTWORTEN
    nicht auf diese e mail ANTWORTEN
    nicht auf diese mail ANTWORTEN
    nicht auf diese nachricht ANTWORTEN
    auf diese e mail nicht ANTWORTEN
    nicht BEANTWORTET werden
    no RESPONDA a este
    no RESPONDAS a este
    por favor no RESPONDA
    por favor no RESPONDAS
    no RESPONDER a este
    no CONTESTE a este
    no CONTESTES a este
    no CONTESTAR a este
    non RISPONDERE a questa
    non RISPONDERE a questo
    non RISPONDERE direttamente
    non RISPONDETE a questa
    si prega di non RISPONDERE
    niet te BEANTWOORDEN
    niet op dit bericht ANTWOORDEN
    niet op deze e mail ANTWOORDEN
    niet op dit BERICHT te
    niet worden BEANTWOORD
    deze e mail niet BEANTWOORDEN
    dit bericht niet BEANTWOORDEN
    não RESPONDA a este
    não RESPONDA este
    não RESPONDER a este
    por favor não RESPONDA
    favor não RESPONDER
    nie ODPOWIADAJ na
    prosimy nie ODPOWIADAĆ
    prosimy na nią nie ODPOWIADAĆ
    nie ODPOWIADAĆ na
"""

# Said of the message itself.
AUTOMATED = """
    is an AUTOMATED message
    is an AUTOMATED email
    is an AUTOMATED e mail
    is an AUTOMATED notification
    an AUTOMATICALLY generated
    was AUTOMATICALLY generated
    is AUTOMATICALLY generated
    AUTOMATICALLY generated message
    AUTOMATICALLY generated email
    AUTOMATICALLY generated e mail
    message was GENERATED by
    email was GENERATED by
    message is GENERATED by
    is an AUTOMATIC message
    envoyé AUTOMATIQUEMENT
    généré AUTOMATIQUEMENT
    envoyée AUTOMATIQUEMENT
    AUTOMATISCH generierte
    AUTOMATISCH generiert
    AUTOMATISCH erstellt
    AUTOMATISCH erstellte
    AUTOMATISCH erzeugt
    AUTOMATISCH erzeugte
    AUTOMATISCH versandte
    enviado AUTOMÁTICAMENTE
    generata AUTOMATICAMENTE
    generato AUTOMATICAMENTE
    inviata AUTOMATICAMENTE
    inviato AUTOMATICAMENTE
    AUTOMATISCH gegenereerd
    AUTOMATISCH gegenereerde
    AUTOMATISCH verzonden
    gerada AUTOMATICAMENTE
    gerado AUTOMATICAMENTE
    enviada AUTOMATICAMENTE
    enviado AUTOMATICAMENTE
    wygenerowana AUTOMATYCZNIE
    wysłana AUTOMATYCZNIE
    wiadomość została wygenerowana AUTOMATYCZNIE
    ceci est un message AUTOMATIQUE
    ceci est un mail AUTOMATIQUE
    ceci est un e mail AUTOMATIQUE
    ceci est un courriel AUTOMATIQUE
    ceci est une réponse AUTOMATIQUE
    ce message est AUTOMATIQUE
    cet e mail est AUTOMATIQUE
    envoyé par un AUTOMATE
    adressé AUTOMATIQUEMENT
    this is an AUTOMATED
    this is an AUTOMATIC
    message was created AUTOMATICALLY
    message has been generated AUTOMATICALLY
    message was sent AUTOMATICALLY
    email was sent AUTOMATICALLY
    this is a system GENERATED
    este es un mensaje AUTOMÁTICO
    este es un correo AUTOMÁTICO
    mensaje generado AUTOMÁTICAMENTE
    questo è un messaggio AUTOMATICO
    questa è una e mail AUTOMATICA
    dies ist eine AUTOMATISCHE
    dit is een AUTOMATISCH
    esta é uma mensagem AUTOMÁTICA
    este é um e mail AUTOMÁTICO
    to jest wiadomość AUTOMATYCZNA
"""

# Said of some message, perhaps by who has received it.
AUTOMATIC = """
    message AUTOMATIQUE
    mail AUTOMATIQUE
    courriel AUTOMATIQUE
    réponse AUTOMATIQUE
    AUTOMATISCHE nachricht
    AUTOMATISCHE antwort
    is an AUTOMATIC reply
    is an AUTOMATED reply
    is an AUTOMATED response
    mensaje AUTOMÁTICO
    correo AUTOMÁTICO
    messaggio AUTOMATICO
    e mail AUTOMATICA
    AUTOMATISCH bericht
    mensagem AUTOMÁTICA
    e mail AUTOMÁTICO
    wiadomość AUTOMATYCZNA
    AUTO generated
    AUTOGENERATED
    system GENERATED
    AUTOMATISCH versendet
    generado AUTOMÁTICAMENTE
    sent AUTOMATICALLY
    created AUTOMATICALLY
    generated AUTOMATICALLY
"""

# Challenge systems: they want to know whether a person wrote.
CHALLENGE_TEXT = """
    real live HUMAN
    that you are HUMAN
    that you are a HUMAN
    senders i have APPROVED
    APPROVED beforehand
    you won t have to do this AGAIN
    so i can RECEIVE your
    to control SPAM
    MAILINBLACK
    BOXTRAPPER
    SPAMARREST
    TMDA
    protégé par MAIL
    cliquer sur ce lien pour que votre MESSAGE
    cliquez sur ce LIEN pour que
    que votre message me PARVIENNE
"""

# Receipts for having read, where the report (RFC 8098) was stripped.
RECEIPT_TEXT = """
    message was READ
    a été LU le
    wurde GELESEN am
    ha sido LEÍDO
    fue LEÍDO
    è stato LETTO
    is GELEZEN op
    foi LIDA
    została PRZECZYTANA
"""

# What mail servers say of mail that they could not deliver; not what shops say of parcels.
BOUNCE_TEXT = """
    user UNKNOWN
    unknown USER
    recipient address REJECTED
    mailbox UNAVAILABLE
    mailbox not FOUND
    permanent fatal ERRORS
    permanent ERROR
    fatal ERRORS
    this is a PERMANENT error
    UNDELIVERABLE
    UNDELIVERED
    message could not be DELIVERED
    mail could not be DELIVERED
    email could not be DELIVERED
    message was not DELIVERED
    message has not been DELIVERED
    could not DELIVER your message
    unable to DELIVER your message
    unable to DELIVER the message
    delivery to the following RECIPIENT
    delivery to the following RECIPIENTS
    following RECIPIENTS failed
    following ADDRESSES had
    mail delivery SUBSYSTEM
    message DISPOSITION
    n a pas pu être REMIS
    n a pu être DÉLIVRÉ
    n a pas pu être DÉLIVRÉ
    boîte aux lettres est PLEINE
    konnte nicht ZUGESTELLT werden
    konnte nicht ÜBERMITTELT werden
    no se pudo ENTREGAR el mensaje
    no se ha podido ENTREGAR
    impossibile RECAPITARE
    non è stato possibile RECAPITARE
    kon niet worden BEZORGD
    kan niet worden BEZORGD
    não pôde ser ENTREGUE
    nie została DOSTARCZONA
    nie mogła zostać DOSTARCZONA
"""

# How an automatic answer begins and what it says; so may a person's own, whose subject is another.
AUTOREPLY_TEXT = """
    CURRENTLY out of
    CURRENTLY on leave
    CURRENTLY on vacation
    CURRENTLY on holiday
    CURRENTLY away
    ACTUELLEMENT absent
    ACTUELLEMENT absente
    ACTUELLEMENT en congé
    ACTUELLEMENT en congés
    ACTUELLEMENT en vacances
    DERZEIT nicht im
    DERZEIT im urlaub
    DERZEIT abwesend
    MOMENTAN nicht im
    ACTUALMENTE fuera
    ACTUALMENTE de vacaciones
    ATTUALMENTE fuori
    ATTUALMENTE assente
    ATTUALMENTE in ferie
    MOMENTEEL afwezig
    MOMENTEEL niet aanwezig
    ATUALMENTE fora
    ATUALMENTE ausente
    OBECNIE poza
    OBECNIE nieobecny
    OBECNIE nieobecna
    thank you for your EMAIL
    thank you for your MAIL
    thank you for your MESSAGE
    thanks for your EMAIL
    thanks for your MESSAGE
    thank you for CONTACTING
    we have RECEIVED your email
    we have RECEIVED your message
    has been RECEIVED and
    merci pour votre MESSAGE
    merci de votre MESSAGE
    merci pour votre MAIL
    merci pour votre COURRIEL
    nous avons bien REÇU
    nous ACCUSONS réception
    danke für ihre NACHRICHT
    dank für ihre NACHRICHT
    dank für ihre MAIL
    danke für ihre MAIL
    ihre NACHRICHT ist
    gracias por su MENSAJE
    gracias por su CORREO
    gracias por CONTACTAR
    grazie per il suo MESSAGGIO
    grazie per averci CONTATTATO
    bedankt voor uw BERICHT
    bedankt voor uw MAIL
    dank voor uw BERICHT
    obrigado pela sua MENSAGEM
    obrigado pelo seu CONTACTO
    obrigado pelo seu CONTATO
    recebemos a sua MENSAGEM
    dziękujemy za WIADOMOŚĆ
    dziękuję za WIADOMOŚĆ
    OTRZYMALIŚMY
"""

# What a text says of itself: "do-not-reply", "automated", "unsubscribe".
BODY = Table(
    ("do-not-reply", DO_NOT_REPLY),
    ("automated", AUTOMATED),
    ("challenge-text", CHALLENGE_TEXT),
    ("receipt-text", RECEIPT_TEXT),
    ("automatic", AUTOMATIC),
    ("bounce-text", BOUNCE_TEXT),
    ("autoreply-text", AUTOREPLY_TEXT),
    ("mailing", MAILING),
    ("unsubscribe", UNSUBSCRIBE),
)
