"""Languages that langdetect has no profile of, each as its neighbours that have one and the words that give it away.

To add a language, write an entry here under its ISO 639 code and put the code into `tag.candidates`. The words that
tell most are those every text is full of: articles, pronouns, conjunctions, auxiliaries, in the spellings that verse
has them in. A word that the neighbours have too, now or of old, or that their poets borrow, must not be there.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unprofiled:
    """What a language without a profile is known by.

    Attributes:
        neighbours: codes of the profiled languages whose spelling its other words share.
        words: its own, in lower case, with spaces between; `quh-` is how a word may begin, `-cht` how one may end after
            two letters or more.
    """

    neighbours: tuple[str, ...]
    words: str


UNPROFILED = {
    "gl": Unprofiled(  # Galician
        ("es", "pt"),
        """
        unha unhas algunha algunhas ningunha cunha cunhas dunha dunhas nunha nunhas pola polas ao aos ás ós cos
        coa coas eu min ela elas eles lle lles ches meu meus miña miñas teu teus túa túas seu seus súa súas noso
        nosos nosa nosas voso vosos vosa vosas isto iso aquilo quen quén cales ninguén alguén outro outra outros
        outras moito moita moitos moitas pouco pouca poucos poucas tódalas tódolos tódolas cando cándo aínda
        hoxe onte mañá mañán entón despois dempois sempre tamén tampouco eiquí lonxe sen hastra deica máis
        mellor moi axiña amodo quizais seica fóra foi fomos fuches fora teño tes tiña tiñas tiñan teñen tivo
        teñas hai houbo vai vou vaise fai faise díxome diche quero quer queren poden puido sei vexo viu veu vén
        veño veñen veñas vindo poñer poñen puxo saír deixar deixa deixas deixei deixo levar chegar chega chegan
        chorar chora choran choraba chamar chaman estou estiven morre morreu xente lúa ceo ceos terra terras
        noite noites ollos ollo nai naiciña pai homes muller mulleres neno nena nenos nenas vello vella vellos
        vellas rapaza irmán irmáns irmá irmás morte dor saudade saudades soidade soidades soedá soedades bágoas
        bágoa fonte fontes lume fogo leira leiras herba herbas folla follas carballo carballos piñeiro choiva
        chuvia chover chove neve vento ventos airiños estrela estrelas branco branca brancos brancas morto morta
        mortos só soio soia soiña deus galego galega galegos galiza fillo filla fillos fillas hirmán meniño
        meniña queridiña camiño camiños veciño veciños viño novo novos che hei raio raios paxaro paxaros verdade
        verdades soño soños lembrar lembranza lembro pobo mans pés cabelo cabelos beizos xanela outono inverno
        vrao uns deu xa- xe- xo- xu- -eiro -eira -eiros -eiras -bou -cou -dou -gou -lou -mou -nou -pou -rou -sou
        -tou -vou -xou -zou -iou -siña -siñas -siño -siños -diña -diñas -diño -diños -tiña -tiñas -tiño -tiños
        -ciña -ciñas -ciño -ciños -liña -liñas -liño -liños -giña -giñas -giño -giños -biña -biñas -biño -biños
        -xiña -xiñas -xiño -xiños -eiriña -eiriñas -eiriño -eiriños -ei -dade -ns -eu -iu -oi -aixa -aixo -eixa
        -eixas -eixan -eixar -eixe -eixes -eixo -eixos -eixou -feito -feitos -peito -peitos -reito -reitos -oita
        -oitas -oite -oites -oito -oitos
        """,
    ),
    "la": Unprofiled(  # Latin
        ("es", "it"),
        """
        est et erat erit erant fuit sit sint esset fieri dabit amat amant ait inquit dedit vidit facit fecit
        habet haec hoc huic hunc hanc horum harum hic illum illam ille illis ipse ipsa ipsum ipso iste quae quod
        quid quam quem quos quas quibus cuius quis quoque quot ego mihi tibi nobis vobis meus meum meis meam
        tuus tuum tuam suum suam suis suos eius eum eam ejus nostris vester vestra vestris noster nec neque
        atque ac aut vel ut velut enim nam jam iam nunc tunc tamen etiam semper numquam nunquam saepe inter apud
        ad ex cum sine propter ubi unde dum donec quando quia quoniam quasi sicut igitur ita sic nisi omnis omne
        omnes omnia deus deo deum domine dominus domini domino regis regem regi caeli caelo coeli coelo pater
        patris patri patrem mater matris matrem filius filii filio spiritus sancti sancte sanctus sanctum
        virginis mors mortis mortem amorem vitae vitam lux lucis lucem nox noctis noctem dies diem pax pacis
        pacem vox vocem laus laudem laudes miserere terrae terram terris caelum maris mundi mundum puer pueri
        puella puellae hominis hominum hominem corpore pectus pectore nomen nomine saecula seculorum -bae -dae
        -gae -iae -lae -mae -nae -pae -sae -tae -uae -vae -tur -unt -orum -arum -ibus -bus -cus -dus -gus -ius
        -lus -mus -nus -pus -rus -sus -tus -uus -vus -xus -um
        """,
    ),
    "sco": Unprofiled(  # Scots, of the Makars, of Burns, and of today
        ("en",),
        """
        frae tae nae sae mair maist guid gweed owre amang amangst atween ahint abune aboon aneath ayont athort
        thegither thegether ane ae yin twa twae baith ilka onie mony monie sic siccan siclike wha whase wham
        wha's wha'll whaur noo doon oot aboot toun toon hoose broon goun awa aa braw brawly muckle meikle mekill
        mekle bairnie bairnies bonie kens kenna kend kenn'd dinna didna doesna canna couldna wadna wouldna
        shouldna winna hasna haena hadna isna wasna werena daurna maunna needna maun gif gie gies gied gien
        gi'en gae gaes gaed gane gaun gangs hae haes haen haein tak taks taen mak maks fand brak spak tauld
        sauld cauld auld bauld haud hauden wad suld sall speir spier speired steek steekit keek keekit loup
        loupin lowp rin rins rinnin haund hauns heid deid breid e'e mou bluid blude guidman gudeman guidwife
        gudewife stane stanes hame hamely alane lanely nane ance aince aik aith mither faither brither brithers
        dochter callant carlin carline chiel chield chiels neist neebor neebors heich laigh eneugh leuch warld
        warld's wark warks waur saft aften efter eftir aifter drap drappie yestreen yersel yoursel mysel masel
        himsel hersel itsel themsel themsels thysel oor oors ither ithers anither thae thir thon syne langsyne
        strang wrang alang blaw blaws blawn blawin snaw snaws craw craws sair sairly naething naebody wae waefu
        waes yett yetts glaikit droukit dreich gar gars gart unco verra gey geyan awfu siller poortith hizzie
        deil deils de'il thrang coof cuif puir muir muirs skule skuil buik leuk neuk luik claes claith claithes
        breeks shune parritch weet thrawn swither blether blethers clachan howff knowe knowes yowe yowes kye
        laverock lav'rock gowan gowans daur dae daein dune hinna maister hinnie kimmer tocher sodger sodgers
        birk birks birken rade strae saut maut faut fauts wauk wauken fause scaith skaith laith dool tirl tirled
        aiblins ablins belyve bield biggin cantie couthie couthy crouse dowie eild ferlie ferly fient forbye
        gowd gowden gowk kail kintra lippen maukin nieve pleugh routh rowth scaur shouther skelp sleekit sleeket
        smoor snell stacher stoup swats sweer timmer toom towmond wame weans winnock wyte yird yill bonnilie
        leeze thy'sel whyles hald gloamin scho haif mekil whare fa na o't ain fareweel mune hert dule reid
        cannie mang lang weel quh- -nae -cht -chts
        """,
    ),
}
