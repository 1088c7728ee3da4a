"""Italian."""

from __future__ import annotations

from datetime import datetime

from shared.domain.notifications import NotificationEvent
from shared.services.mail_templates.wording import EventWording, Wording

_MONTHS = (
    "gennaio",
    "febbraio",
    "marzo",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "agosto",
    "settembre",
    "ottobre",
    "novembre",
    "dicembre",
)


def _digest(count: int) -> str:
    return f"{count} connessioni richiedono la tua attenzione"


def _more(count: int) -> str:
    return "E un'altra connessione." if count == 1 else f"E altre {count} connessioni."


def _moment(moment: datetime) -> str:
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}, ore {moment:%H:%M}"


WORDING = Wording(
    language="it",
    events={
        NotificationEvent.RECONNECT_NEEDED: EventWording(
            title="Connessione da rinnovare: $instance",
            what=(
                "$provider non accetta più l'accesso di questa connessione. L'accesso potrebbe "
                "essere stato revocato, essere scaduto o non avere un'autorizzazione necessaria."
            ),
            todo=(
                "Apri la connessione nella dashboard, scegli Riconnetti e accedi di nuovo a "
                "$provider. Fino ad allora non si sincronizza nulla; quanto già sincronizzato "
                "resta com'è."
            ),
            action="Riconnetti $instance",
        ),
        NotificationEvent.SYNC_FAILED: EventWording(
            title="Sincronizzazione non riuscita: $instance",
            what=(
                "La sincronizzazione con $provider non è riuscita, e riprovare in automatico non "
                "servirebbe. È ferma; quanto già sincronizzato resta com'è."
            ),
            todo=(
                "Apri la connessione nella dashboard, guarda che cosa è andato storto e, una "
                "volta corretto, riavvia la sincronizzazione. Riprenderà da dove si è fermata."
            ),
            action="Apri $instance nella dashboard",
        ),
        NotificationEvent.APPROVAL_NEEDED: EventWording(
            title="Approvazione richiesta: $instance",
            what=(
                "La sincronizzazione con $provider eliminerebbe più dati del solito. Si è fermata "
                "prima di farlo e attende la tua decisione."
            ),
            todo=(
                "Apri la connessione nella dashboard e guarda che cosa verrebbe eliminato. Approva "
                "la sincronizzazione per farla proseguire, o rifiutala per lasciare tutto com'è."
            ),
            action="Decidi su $instance nella dashboard",
        ),
    },
    digest=_digest,
    more=_more,
    when_label="Quando",
    detail_label="Messaggio",
    footer=(
        "LinkHub Integrator ti scrive perché il tuo profilo chiede un avviso quando una "
        "connessione ha bisogno di una persona. Puoi cambiarlo nelle impostazioni delle notifiche."
    ),
    moment=_moment,
)
