"""What a site sets around a poem goes; verse with the same words stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cleaning.furniture import drop_furniture
from pipeline.cleaning.rules import clean_text
from scrapers.anthology.poems import LANGUAGES, read_poems

QUATRAIN = """The kettle sings upon the stove,
the window fills with rain,
and all the spoons my mother drove
come marching home again."""
LINES = [
    "Poem Analysis »", "Ver más poemas de Ana Poe", "¿Te gustó este poema? ¡Compártelo!", "Comentar",
    "Did you like this poem? Share it!", "Poemas de amor | Poemas cortos | Frases",
    "Share this poem", "Share on Facebook", "Tweet this", "Rate this poem", "Rating: 4.5", "4.5/5 (23 votes)",
    "★★★★☆", "Average rating: 4.2 out of 5", "12 Comments", "No comments", "Comments (3)", "Leave a comment",
    "Read more »", "Read more poems by Ana Poe", "More poems by Ana Poe", "Related poems", "You may also like",
    "Poem of the day", "Submitted by Ana Poe", "Views: 1,234", "Print this page", "Continue reading",
    "Subscribe to our newsletter", "Privacy policy | Terms of use", "This site uses cookies to improve your visit",
    "Tags: rain, kettle", "Advertisement:", "© 2019 Somebody", "Copyright 2020 by Ana Poe. All rights reserved.",
    "Reprinted by permission of the publisher.", "ISBN 978-0000000000", "www.example.org", "poems.example",
    "Home » Poems » The Kettle", "← Previous poem", "[edit]", "Compartir", "Comparte este poema",
    "Compartir en WhatsApp", "Leer más", "Leer más…", "Sigue leyendo", "Me gusta (12)", "3 comentarios",
    "Sin comentarios", "Deja un comentario", "Valoración: 4,5", "4,5 de 5 (23 votos)", "Imprimir este poema",
    "Poemas relacionados", "Más poemas de Ana Poe", "Otros poemas de Ana Poe", "También te puede interesar",
    "Publicado por Ana el 3 de mayo", "Etiquetas: lluvia, tarde", "Visitas: 120", "Política de privacidad",
    "Aviso legal", "Suscríbete a nuestro boletín", "Síguenos en Instagram", "Inicio > Poemas > La tetera",
    "Poema siguiente", "Volver arriba", "Todos los derechos reservados", "Usamos cookies para mejorar tu visita",
    "Facebook Twitter Pinterest", "▲", "Public domain", "Public Domain.", "Dominio público", "ida@example.org",
    "<ida.marsh@mail.example.org>",
]  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_page_goes_before_and_after_the_poem(line):
    for text in (f"{QUATRAIN}\n{line}", f"{QUATRAIN}\n\n{line}", f"{line}\n\n{QUATRAIN}"):
        assert clean_text(text)[0] == QUATRAIN


@pytest.mark.parametrize(
    "label",
    ["Volver", "Inicio", "Home", "Top", "Menu", "Índice", "Reply", "Responder", "Edit", "See also", "Ver también"],
)
def test_a_word_that_may_be_verse_goes_where_it_stands_apart_at_an_end(label):
    assert clean_text(f"{QUATRAIN}\n\n{label}")[0] == QUATRAIN
    assert clean_text(f"{label}\n\n{QUATRAIN}")[0] == QUATRAIN
    for text in (f"{QUATRAIN}\n{label}", f"{QUATRAIN}\n\n{label}\n\n{QUATRAIN}"):
        assert clean_text(text)[0] == text


def test_what_stands_among_the_lines_of_a_page_goes_with_them():
    page = """Site.example Poetry Archive: Talkback!

» For Students

Need help with an assignment? See how our notes can make
poetry analysis a snap!

«top»"""
    assert clean_text(f"{QUATRAIN}\n{page}")[0] == QUATRAIN


@pytest.mark.parametrize(
    "line",
    [
        "Like this poor leaflet nestled here,", "Share with us thy fresh spirits, whether gift",
        "About this poet-head a rare",
        "Follow it fast, and follow it far", "Share the bread and the rain", "more by the river than the road",
        "See more of me",
        "All poems end", "Next came the boy", "new moons by night", "Be the first to go", "Ver más de cerca la lluvia",
        "Compartir en silencio el pan", "Deja un hueco en la mesa", "Enviado por el cielo", "Sin respuesta,",
        "Volver a verte",
        "»y no volvió.", "«Adiós»", "Print of a foot", "Read more slowly, said the rain", "otros versos de lluvia",
        "Sobre el agua",
    ],
)  # fmt: skip
def test_verse_with_the_same_words_stays(line):
    for text in (f"{QUATRAIN}\n{line}", f"{line}\n{QUATRAIN}", f"{QUATRAIN}\n\n{line}\n\n{QUATRAIN}"):
        assert clean_text(text)[0] == text


@pytest.mark.parametrize("line", ["go look at www.marsh.example.com and see", "she wrote http://a.example, he wept"])
def test_an_address_in_a_sentence_amid_a_stanza_stays(line):
    assert clean_text(QUATRAIN.replace("the window", f"{line}\nthe window"))[0].split("\n")[1] == line
    assert clean_text(f"{QUATRAIN}\n\n{line}")[0] == QUATRAIN
    assert clean_text(QUATRAIN.replace("the window", "http://a.example\nthe window"))[0] == QUATRAIN


@pytest.mark.parametrize("line", ["Edit me", "See also how", "and the public domain", "write to ida@example.org"])
def test_verse_that_holds_words_of_a_page_stays(line):
    for text in (f"{QUATRAIN}\n{line}", f"{line}\n{QUATRAIN}", f"{QUATRAIN}\n\n{line}"):
        assert clean_text(text)[0] == text


def test_a_long_row_of_digits_takes_no_time():
    text = f"{QUATRAIN}\n{'1' * 60}z"
    assert clean_text(text)[0] == text


def test_a_caption_within_a_line_goes_and_the_verse_around_it_stays():
    assert clean_text(QUATRAIN.replace("upon", "[Illustration: a kettle] upon"))[0] == QUATRAIN


@settings(max_examples=200)
@given(
    text=st.lists(
        st.sampled_from([*LINES, *QUATRAIN.split("\n"), "Volver", "Home", "Edit", "at www.a.com and", ""]), max_size=12
    ).map("\n".join)
)
def test_dropping_furniture_twice_is_dropping_it_once(text):
    once = drop_furniture(text)
    assert drop_furniture(once) == once
    assert set(once.split("\n")) <= {*text.split("\n"), ""}


def test_the_anthology_has_no_furniture():
    for language in LANGUAGES:
        for poem in read_poems(language):
            assert drop_furniture(poem.text) == poem.text
