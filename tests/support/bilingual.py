"""Verse in several languages, and the candidates that it is told among."""

from ruamel.yaml import YAML

from benchmarks.language import VERSE as BENCHMARK
from pipeline.language.words import unprofiled_languages

CANDIDATES = ("en", "es", "fr", "pt", "it", "ca", "de", "nl")
ALL = (*CANDIDATES, *unprofiled_languages())
VERSE = {
    "en": """
The baker wakes before the birds
and lights the oven in the dark;
he never wastes his breath on words,
he writes in flour his only mark.

My sister keeps a jar of rain
upon the sill above the sink
and every time I come again
she pours a little out to drink.

We sold the house, we kept the key,
it opens nothing any more,
but still at night it speaks to me
about the hinges of a door.

The ferry leaves at half past eight
with crates of oranges and mail,
and those who wave are always late
and those who leave are always pale.""",
    "es": """
El panadero cruza el puente
cuando la noche aún no se ha ido,
lleva en las manos, de repente,
el pan de ayer como un olvido.

Mi abuela guarda en un cajón
las llaves de una casa ajena
y cuando llueve en el balcón
las hace sonar como una pena.

Vendimos todo, hasta la mesa,
quedó en el muro una herradura;
y lo que más ahora pesa
es el vacío que perdura.

El barco sale a medianoche
cargado de naranjas frías,
y quien se queda junto al coche
va repitiendo los días.""",
    "fr": """
Le boulanger traverse la place
avant que le jour ne soit levé,
il porte sur ses épaules lasses
le pain que nous avons rêvé.

Ma mère garde dans une armoire
les clefs d'une maison perdue
et quand il pleut sur la mémoire
elle écoute les bruits de la rue.""",
}
SHORT = YAML(typ="safe").load(BENCHMARK)
STANZAS = {code: text.strip().split("\n\n") for code, text in VERSE.items()}
