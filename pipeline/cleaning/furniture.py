"""What a site sets around a poem: navigation, buttons, ratings, comments, licences, captions."""

import re
from collections.abc import Iterable, Sequence

from pipeline.cleaning.characters import until_stable

_ARROWS = r"[←→«»‹›<>|↑^▲▼◄►•·*\s-]*"
_KIND = r"(?:poems?|poets?|poemas?|poetas?|poes[íi]as?|autore?s?|authors?|poetry)"
_THING = (
    r"(?:poem|page|text|article|post|author|poet|poema|p[áa]gina|texto|art[íi]culo|entrada|versi[óo]n|pdf|un amigo)"
)
_SITE = (
    r"(?:facebook|twitter|x|whatsapp|pinterest|instagram|telegram|reddit|linkedin|tumblr|e-?mail|correo|redes)\b.{0,20}"
)
_ON = r"\W*(?:(?:on|via|with|to|as|en|con|por|a|de)\b.{0,40})?"
# Whole lines only, so that no verse which merely holds such words is touched. One kind a line, `...` for what follows.
_CLEAR_KINDS = r"""
back to (?:top|contents|index|home|poems|(?:the )?(?:top|index|contents|list|table)(?: of ...)?)
(?:previous|next) (?:poem|page|chapter|section|work|sonnet)
(?:previous|next|anterior|siguiente)\s*:\s...
(?:previous|prev|anterior)\s*[|/·]\s*.{0,40}(?:next|siguiente)
table of contents|(?:home|main) ?page|p[áa]gina principal|portada principal
(?:read|show|see|view|load) (?:more|all)(?: KIND| comments?)?(?: by ...)?\W*
(?:continue|keep) reading\W*|(?:scroll|go) to top|top of (?:the )?page|printer[ -]friendly(?: version)?
(?:share|tweet|pin|bookmark|e-?mail|print|like|rate|report|save|vote for|review|analy[sz]e) (?:this|the) THING_ON
(?:discuss|cite|embed|download|listen to|send|recommend|about) (?:this|the) THING_ON
share this\W*|(?:share|tweet|like|pin|follow)(?: this| it| us)? (?:on|via) SITE\W*|(?:tweet|pin) (?:it|this)\W*
share with (?:your )?friends\W*|follow us\W*
(?:log|sign) ?(?:in|up|out)(?: (?:to|with|for|or) ...)?
be the first to (?:comment|review|rate)\b...
(?:leave|add|post|write|submit) (?:a |your )?(?:comments?|reply|review)\W*
(?:skip|jump) to .{0,9}(?:content|navigation|search)|(?:saltar|ir) al contenido
(?:no|\d[\d,.]*[kK]?) (?:comments?|views?|likes?|shares?|votes?|ratings?|reviews?|reads?|replies)(?:\s*[|·,•].*)?
sin comentarios
\d[\d,.]* (?:comentarios?|visitas?|votos?|me gusta|lecturas?|vistas?|respuestas?|valoraciones)(?:\s*[|·,•].*)?
(?:comments?|views?|likes?|votes?|ratings?|reads?|hits)\s*(?:\(\s*\d[\d,.]*\s*\)|:\s*\d.{0,30})
(?:comentarios|visitas|votos|lecturas|vistas|me gusta)\s*(?:\(\s*\d[\d,.]*\s*\)|:\s*\d.{0,30})
(?:average |user |your )?(?:rating|score)\s*:?\s*(?:\d|[★☆⭐✩✭✮])...
(?:puntuaci[óo]n|valoraci[óo]n|calificaci[óo]n|promedio)(?: media)?\s*:?\s*(?:\d|[★☆⭐✩✭✮])...
[★☆⭐✩✭✮♥♡❤]{2,}.{0,30}
(?:rated )?\d(?:[.,]\d+)?\s*(?:/\s*(?:5|10)|out of (?:5|10)|stars|de (?:5|10)|estrellas)\b...
\[(?:edit|editar)\]|(?:advertisements?|sponsored|publicidad|anuncio)\W+|sponsored (?:links?|content)|KIND analysis
[^|]{1,30}(?:\s\|\s[^|]{1,30}){2,}
¿?(?:did you (?:like|enjoy) this|te (?:ha gustado|gust[óo]) (?:este|el)) THING...
(?:related|similar|popular|featured|recent|latest|best) KIND
(?:popular|featured|recent|latest|other|new|best) KIND (?:by|from) ...
KIND (?:by (?:title|author|subject|theme|topic)|of the day|del d[íi]a|relacionad[oa]s|similares|recientes|populares)
(?:more|all|other) KIND (?:by|from|of|about) ...|more (?:by|from) this (?:poet|author)
you (?:may|might) also (?:like|enjoy)\b...
(?:submitted|posted|uploaded) by \S+(?: \S+){0,4}|(?:submitted|posted|added|published) (?:by|on) ...(?:1[89]|20)\d\d...
publicado (?:por|el) ...|(?:enviado|subido|agregado) (?:por|el) ...(?:1[89]|20)\d\d...
filed under\b...|(?:tags?|etiquetas?|keywords|temas)\s*:\s.{1,120}
subscribe(?: (?:to|for|now|via)\b...)?\W*|(?:join|get) (?:our|the) .{0,20}newsletter...
(?:privacy|cookie) policy...|terms of (?:use|service)...|(?:aviso|nota) legal...
pol[íi]tica de (?:privacidad|cookies)...
(?:accept|we use|this (?:web)?site uses|usamos|utilizamos|aceptar|este sitio \w+) .{0,20}cookies.{0,120}
(?:last )?updated(?: on|:) ...|(?:last )?updated [a-z]+ \d...
[úu]ltima (?:actualizaci[óo]n|modificaci[óo]n)\s*:...|click here\b...|(?:haz|haga) clic\b...
volver (?:arriba|al (?:[íi]ndice|inicio|men[úu]|listado)|a (?:la portada|poemas|la lista|los poemas))(?: de ...)?
(?:add|a[ñn]adir|agregar) (?:to|a) (?:(?:your|my|tus|mis) )?(?:favou?rites|favoritos)|copy link|copiar enlace
permalink|enlace permanente|(?:analysis|an[áa]lisis) (?:of|del?) (?:this |the |este )?(?:poem|poema)
powered by ...|autoplay next video|autor(?:a)? del poema\s*:...|(?:loading|cargando)\s?(?:\.{3}|…)
ir (?:arriba|al inicio|a la navegaci[óo]n)|iniciar sesi[óo]n
(?:poema|p[áa]gina|cap[íi]tulo) (?:anterior|siguiente)|(?:anterior|siguiente) (?:poema|p[áa]gina)
(?:compartir|comp[áa]rtelo|comparte) (?:en|por|v[íi]a) SITE\W*|(?:compartir|comparte) con tus amigos\W*
(?:compartir|comparte|imprimir|votar|vota|valorar?|punt[úu]ar?|califica|recomendar?) (?:este?|esta|el|la) THING_ON
(?:enviar?|descargar?|denunciar?|comentar?|escuchar?|guardar|acerca de|sobre) (?:este?|esta|el|la|a) THING_ON
versi[óo]n (?:para imprimir|imprimible)
(?:leer|ver|mostrar|cargar) (?:m[áa]s|todos?)(?: KIND(?: de ...)?| comentarios| de este autor)?\W*
(?:sigue|seguir|contin[úu]a|continuar) leyendo\W*|(?:tambi[ée]n )?(?:te|le) puede[n]? (?:tambi[ée]n )?interesar\W*
(?:deja|dejar|escribe|escribir) (?:un|tu|una|su) (?:comentario|respuesta|opini[óo]n|valoraci[óo]n)\W*
(?:publicar?|a[ñn]ad[ei]r?|agregar?|env[íi]ar?) (?:un|tu|una|su) (?:comentario|respuesta|opini[óo]n|valoraci[óo]n)\W*
(?:s[íi]guenos|reg[íi]strate|inicia sesi[óo]n)(?: (?:para|con|en|o) ...)?|suscr[íi]bete(?: (?:a|al|por) ...)?\W*
(?:todos los|todas las|m[áa]s|otr[oa]s|ver) KIND (?:de|sobre|por) ...
(?:home|inicio|portada|poems|poemas|poets|poetas)\s*(?:[|/·»>]\s*[^|/·»>]{1,40}){1,8}
[\w.-]+\.(?:com|org|net|es|info|example|io|mx|ar|cl|co)\b(?:\s...|/\S*)?
"""
_SHORT = {"THING_ON": f"{_THING}{_ON}", "THING": _THING, "KIND": _KIND, "SITE": _SITE, "...": ".{0,80}"}
_WRITTEN_OUT = re.sub(r"THING_ON|THING|KIND|SITE|\.\.\.", lambda short: _SHORT[short[0]], _CLEAR_KINDS.strip())
_CLEAR = re.compile(f"{_ARROWS}(?:{_WRITTEN_OUT.replace(chr(10), '|')}){_ARROWS}:?", re.IGNORECASE)
# The first words of all these that begin with a letter: to look one up takes a tenth of the time.
_FIRST_WORDS = """
analysis analisis análisis autora autoplay cargando copiar copy enlace loading permalink powered ultima última
about accept aceptar acerca add added advertisement advertisements agrega agregado agregar all anade anadir analyse
analyze anterior anuncio author authors autor autores average aviso añade añadir back be best bookmark califica
calificacion calificación capitulo capítulo cargar cite click comenta comentar comentarios comment comments comparte
compartelo compartir compártelo continua continuar continue continúa cookie deja dejar denuncia denunciar descarga did
descargar discuss download e-mail edit editar email embed envia enviado enviar envía escribe escribir escucha escuchar
este etiqueta etiquetas featured filed follow get go guardar haga haz hits home homepage imprimir inicia iniciar
inicio ir join jump keep keywords last latest le leave lecturas leer like likes listen load log login logout main
mainpage mas me more mostrar más new next no nota other otras otros page pagina pin poem poema poemas poems poesia
poesias poesía poesías poet poeta poetas poetry poets politica política popular portada post posted prev previous
print printer privacy promedio publica publicado publicar publicidad puntua puntuacion puntuación puntuar puntúa
página rate rated rating ratings read reads recent recomendar recomienda registrate regístrate related report review
saltar save score scroll see seguir send share show sign signin signup sigue siguenos siguiente similar sin skip sobre
sponsored subido submit submitted subscribe suscribete suscríbete síguenos table tag tags tambien también te temas
terms this todas todos top tweet updated uploaded usamos user utilizamos valora valoracion valoración valorar ver
version versión view views visitas vistas volver vota votar vote votes votos we write you your
"""
_OPENINGS = frozenset(_FIRST_WORDS.split())
_ADDRESS = re.compile(r"\.(?:com|org|net|es|info|example|io|mx|ar|cl|co)\b")
# Words that may be verse: they go from the top and the foot of a text alone, the labels where they stand apart.
_BUTTON = re.compile(
    rf"{_ARROWS}(?:share|tweet|print|e-?mail|comments|advertisements?|sponsored|pdf|read more|facebook|twitter|whatsapp"
    r"|pinterest|instagram|telegram|reddit|tumblr|linkedin|google\+?|compartir|comp[áa]rtelo|imprimir|comentar(?:ios)?"
    rf"|leer m[áa]s|publicidad|descargar|me gusta|x|[▲▼△]|[|/·,•+]|\d{{1,4}}(?!\d)|\s)+{_ARROWS}:?"
    r"|\W*(?:public domain|dominio p[úu]blico|[\w.+-]+@[\w-]+(?:\.[\w-]+)+)\W*",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"{_ARROWS}(?:previous|next|reply|top|home|menu|search|likes?|download|analysis|ratings?|comment|more|poems|poets"
    r"|edit|see also|ver tambi[ée]n"
    r"|volver|[íi]ndice|portada|comparte|anterior|siguiente|comentario|responder|inicio|men[úu]|buscar|arriba|subir"
    rf"|enviar|correo|an[áa]lisis|poemas|poetas|valoraci[óo]n|votar){_ARROWS}:?",
    re.IGNORECASE,
)
_WORDS_ALONE = re.compile(r"[^\W\d_]+(?:,? [^\W\d_]+)*")
_POINTER = re.compile(r"[»>›→]\s*\w.{0,40}|[«‹<←]\s?\w.{0,40}[»›>→]|.{1,60}: ?talkback\W*", re.IGNORECASE)
_AMONG = 0.4  # share of the last lines that belong to the page for certain, from which all of them do
# One of these stands in every line that `_LEGAL` finds; to look for them takes a sixth of the time.
_LEGAL_SIGNS = (
    *("http", "www.", "©", "(c)", "copyright", "rights reserved", "derechos reservados", "gutenberg", "cc0", "cc by"),
    *("cc-by", "creative commons", "licen", "source", "fuente", "retrieved", "obtenido", "tomado", "isbn"),
    *("categor", "public domain", "dominio p", "last edited", "modific", "permis", "derechos de autor"),
)
_LEGAL = re.compile(
    r"""https?://\S | www\.\w+\.\w | © | \(c\)\ *(?:\d|copyright) | \bcopyright\ *(?:©|\(c\)|\d|by\b|notice|holder)
      | all\ rights\ reserved | derechos\ reservados | project\ gutenberg | \bCC(?:0\b|[\ -]BY\b)
      | creative\ commons | \bISBN[\s:-]*\d | ^derechos\ de\ autor\b | ^(?:licen[cs]e|licencia)\s*:
      | ^\(?(?:re)?(?:printed|published|produced|used|impreso|publicado|producid[oa])\ .{0,60}\bpermi(?:ssion|so)
      | ^(?:source|fuente|retrieved\ from|obtenido\ de|tomado\ de|categor(?:y|ies|[íi]as?))\s*:\s
      | ^\(?(?:this\ (?:work|poem|page|text)|est[ea]\ (?:poema|texto|obra|p[áa]gina))\ .{0,60}
          (?:public\ domain|dominio\ p[úu]blico|licen[cs]|last\ edited|modific[óo])""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)
_ADDRESS_IN_SENTENCE = re.compile(r"(?<=[^\W\d_][ ,]) ?(?:https?://|www\.)\S+(?=\s+[^\W\d_])")
_PICTURE = re.compile(r" ?\[(?:illustration|image|imagen|ilustraci[óo]n)\b[^\[\]\n]*\]?", re.IGNORECASE)


def drop_furniture(text: str) -> str:
    """Drop the lines of a page that are none of the poem's, and below the poem what stands among them."""
    return until_stable(_without_furniture, text)


def _without_furniture(text: str) -> str:
    lowered = text.lower()
    if "[il" in lowered or "[im" in lowered:
        text = "\n".join(rest for line in text.split("\n") if (rest := _PICTURE.sub("", line)) or not line)
    legal = [sign for sign in _LEGAL_SIGNS if sign in lowered]
    addresses = _ADDRESS.search(lowered) is not None
    lines = text.split("\n")
    dropped = {
        number
        for number, line in enumerate(lines)
        if line
        and (
            ((not line[0].isalpha() or line.partition(" ")[0].rstrip(":.!|").lower() in _OPENINGS) and _is_clear(line))
            or (addresses and "." in line and _is_clear(line))
            or (legal and any(sign in line.lower() for sign in legal) and _is_legal(lines, number))
        )
    }
    dropped -= {number for number in dropped if _goes_on(lines, number)}
    dropped |= _foot(lines, dropped)
    for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
        dropped |= _edge(order, lines, dropped)
    return "\n".join(line for number, line in enumerate(lines) if number not in dropped) if dropped else text


def _is_clear(line: str) -> bool:
    """Whether a line is the page's wherever it stands."""
    return len(line) < 140 and _CLEAR.fullmatch(line.strip()) is not None


def _is_legal(lines: Sequence[str], number: int) -> bool:
    """Whether a line is a licence or a source; an address in the middle of a line amid a stanza may be verse."""
    within_stanza = 0 < number < len(lines) - 1 and lines[number - 1].strip() and lines[number + 1].strip()
    line = _ADDRESS_IN_SENTENCE.sub(" ", lines[number]) if within_stanza else lines[number]
    return _LEGAL.search(line) is not None


def _goes_on(lines: Sequence[str], number: int) -> bool:
    """Whether a line is the first half of a sentence: words alone, and verse right below goes on in lower case."""
    below = lines[number + 1].strip() if number + 1 < len(lines) else ""
    if not below[:1].islower() or not _WORDS_ALONE.fullmatch(lines[number].strip()):
        return False
    return not (_is_clear(below) or _BUTTON.fullmatch(below) or _LABEL.fullmatch(below))


def _edge(order: Iterable[int], lines: Sequence[str], clear: set[int]) -> set[int]:
    """Buttons and labels from one end of a text up to its verse."""
    found, apart = set(), True
    for number in order:
        line = lines[number].strip()
        if not line:
            continue
        if number not in clear:
            after = order.step  # towards the verse
            apart = not 0 <= number + after < len(lines) or not lines[number + after].strip()
            if _goes_on(lines, number):
                break
            if not (_BUTTON.fullmatch(line) and not line.strip("[]().").isdigit()) and not (
                apart and _LABEL.fullmatch(line)
            ):
                break
            found.add(number)
    return found


def _foot(lines: Sequence[str], clear: set[int]) -> set[int]:
    """The last lines, from the first of the page's, where enough of them are the page's."""
    if not clear:
        return set()
    for start in sorted(number for number in clear if number > 1):
        below = [number for number in range(start, len(lines)) if lines[number].strip()]
        page = [
            number
            for number in below
            if number in clear or any(kind.fullmatch(lines[number].strip()) for kind in (_BUTTON, _LABEL, _POINTER))
        ]
        if len(page) > 1 and len(page) >= _AMONG * len(below):
            return set(below)
    return set()
