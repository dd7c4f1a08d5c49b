"""Languages that langdetect has no profile of, each as its neighbours that have one and the words that give it away.

To add a language, write an entry here under its ISO 639 code and put the code into `tag.candidates`. The words that
tell most are those every text is full of: articles, pronouns, conjunctions, auxiliaries, in the spellings that verse
has them in. A word of the language that its verse might be taken for, now or of old, or one that poets of that language
borrow, must not be there. An older form of a profiled language is an entry too, so that its words count for that one.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unprofiled:
    """What a language without a profile is known by.

    Attributes:
        neighbours: codes of the profiled languages whose spelling its other words share.
        words: its own, in lower case, with spaces between; `quh-` is how a word may begin, `-cht` how one may end after
            two letters or more.
        counts_as: the neighbour that it is an older form of, whose code its texts get; None for a language of its own.
    """

    neighbours: tuple[str, ...]
    words: str
    counts_as: str | None = None


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
        soño soños lembrar lembranza lembro pobo mans pés cabelo cabelos beizos xanela outono inverno vrao uns
        deu co dous dúas catro calquera algúns anque pra pras aló alí llo lla llos llas cho cha ben bens din
        noutro noutra noutros noutras doutro doutra doutros doutras nalgún nalgunha dalgún dalgunha naquel
        daquel nesa nese cousa cousas auga augas lingoa velaí velahí derradeiro mazá mazás cadea cadeas chea
        cheas cheo cheos candea candeas cans chan bo crara craro craras craros frol froles fror frores praza
        prazas igrexa avoa traballo traballos traballar traballan ovella ovellas abella abellas orella orellas
        espello espellos consello consellos vermello vermella vermellos navalla coller escoller recoller acoller
        ollar ollan ollando olliños fuxir fuxiu fuxe fuxindo toxo toxos eira eiras souto soutos orballo brétema
        néboa raiola abrente solpor ledicia meiga meigas meigallo cántiga cántigas fun foron fixo fixen fixeron
        dixen díxolle dicir puxen puxeron quixo quixen quixeron quere queres soubo souben houben trouxo oio oie
        poida poidan poidas sexa sexas sexan haxa estea esteas estean vaia vaias vaian vexa vexas vexan veña
        veñan viñeron tiñamos morrer espertar agardar agarda agardo agardando agarimo agarimos axuda axudar anxo
        anxos virxe desexo desexos desexar reloxo n'o n'a n'os n'as c'o c'os d'o d'os d'as dela deles nela neles
        boa boas tempo tempos corpo corpos porta portas festa festas serra serras pedra pedras perna pernas
        certo certa nova novas sono sonos ouro mouro moura mouros mouras louro loura touro touros pousa alleo
        allea brila brilan brilar falar falan falaba xa- xe- xo- xu- -eiro -eira -eiros -eiras -bou -cou -dou
        -gou -lou -mou -nou -pou -rou -sou -tou -vou -xou -zou -iou -siña -siñas -siño -siños -diña -diñas -diño
        -diños -tiña -tiñas -tiño -tiños -ciña -ciñas -ciño -ciños -liña -liñas -liño -liños -giña -giñas -giño
        -giños -biña -biñas -biño -biños -xiña -xiñas -xiño -xiños -eiriña -eiriñas -eiriño -eiriños -ei -dade
        -ns -eu -iu -oi -aixa -aixo -eixa -eixas -eixan -eixar -eixe -eixes -eixo -eixos -eixou -feito -feitos
        -peito -peitos -reito -reitos -oita -oitas -oite -oites -oito -oitos -iron -axe -axes -nlle -nlles
        -oulle -eulle -iulle -arlle -erlle -irlle -oume -oute -ouse -eume -euse -eime -aivos -ádeme -ádevos
        -édeme -ariño -ariña -ariños -ariñas -eriño -eriña -eriños -eriñas -oriño -oriña -oriños -oriñas -miña
        -miñas -niño -niña -niños -niñas -viño -viña -viños -viñas -quiño -quiña -quiños -quiñas -aíña -ouro
        -oura -ouros -ouras -ousa -ouso -ousar
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
        ad ex cum sine propter ubi unde dum donec quia quoniam quasi sicut igitur ita sic nisi omnis omnes omnia
        deus deo deum domine dominus domini domino regis regem regi caeli caelo coeli coelo pater patris patri
        patrem mater matris matrem filius filii filio spiritus sancti sancte sanctus sanctum virginis mors
        mortis mortem amorem vitae vitam lux lucis lucem nox noctis noctem dies diem pax pacis pacem vox vocem
        laus laudem laudes miserere terrae terram terris caelum maris mundi mundum puer pueri puella puellae
        hominis hominum hominem corpore pectus pectore nomen nomine saecula seculorum ab sub hodie potest possit
        -bae -dae -gae -iae -lae -mae -nae -pae -sae -tae -uae -vae -tur -unt -orum -arum -ibus -bus -cus -dus
        -gus -ius -lus -mus -nus -pus -rus -sus -tus -uus -vus -xus -um -em -am -antis -entis -bilis -avit -evit
        -ivit -xit
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
        cannie mang lang weel ony onything doun grund owr ower upo intil thaim thame thair thow fra wes hes gude
        gud weill wald evir nevir lufe hevin birdis flouris foulis schouris haill fou sma ca'd ca's gi'e pu pu'd
        pou een bairn bairns braes lo'e lo'ed lo'es cam gangin beld acquent coost asklent sklent skeigh abeigh
        sugh stang scaud brunstane corbie corbies tane glowr glowrs glowrin kirkyaird gairden yaird fauld faulds
        kye's fash fashed fashious howe rowe rowes airt airts hieland hielands hielan lawland lawlands norland
        norlan lallan lallans grat greetin lauch lauchs lauchin starn starns simmer hairst haugh haughs cleuch
        cleugh dubs glaur lum lums kist kists chaumer spune spunes plaidie bawbee bawbees plack haggis brose
        bannock bannocks neep neeps tattie tatties carle carles limmer limmers loun wifie wifies cushat cushats
        lintie linties whaup whaups houlet howlet howlets stirk stirks owsen threep threap thole tholes tholed
        dree jouk jouks joukin skirl skirled skreigh skreich sab sabs sabbin dunt dunts cloot cloots mools
        hirple hirples hirplin daunder dauner stravaig blate crabbit douce gleg kittle pawky pawkie stieve
        steeve thowless waukrife wanchancy drumlie gurly sangs langer evermair nevermair fower saxpence twal
        hunder thoosand quh- -nae -cht -chts
        """,
    ),
    "osp": Unprofiled(  # old Spanish, before 1600
        ("es", "pt", "ca"),
        """
        aqueste aquesto aquestos aquesse aquessa aquessos esso essos desso desto destos dellos dellas mio mios
        qualquiera quál quáles quán quánto quánta quántos quántas otrie algund algunt ningund ningunt segund
        segunt grant omne omnes muger mugeres mugier mugieres fijo fija fijos fijas fijuelo fijuela fijodalgo
        fembras vezino vezinos vezina vezinas maguer maguera magüer fasta desque desuso ayuso suso aquende
        delant adelant siquier quier ansí ansy assí assy commo cuemo oy anoch nunqua estonce estonçe estonces
        estonçes entonçes aína aýna apriessa priessa otrosí otrossí mientra mientre muncho mui nomne lumne
        fambre fanbre fierro fierros foja fojas faze fazen fazié fazién fazía fazían faziendo fazes fizo fize
        fiziste fizistes fizieron fiziera fizieran fiziere fizieres fecho fechos fazienda fabló fablé firió fuyó
        fuye fuyen fuyendo fuyeron fuelga fuelgan dixe dixiste dixieron dixiera dixol díxol díxole traxo
        traxieron truxo truxe truxeron truxiera dezir dize dizen dizes dizié dizién dezía dezían diziendo dezid
        dezidme dezilde hazer haze hazen hazes hazéis hazéys hazía hazían haziendo hizieron hiziera hizieras
        hiziste plazer plazeres plaze plazía avía avían avías avíades avié avién avedes avemos avéis avéys avrá
        avrán avré avría avrían avredes oviera ovieran oviere oviese oviesen ovieron oviste ove uvo uviera
        uvieron huvo huviera huvieron huviese ayades seer serié serién veer vido tenié tenién querié querién
        podrié podrién podié podién sabié venié vinié terrá terná ternán terné ternía verná vernán vernía porná
        tovo tovieron toviera toviese estovo estovieron andovo andido sopo sopieron sopiera sopiese plogo
        ploguiera podieron podiera morió respuso yaze yazen yazer yazía exir exió ixió exieron lieva lievan levó
        yva yvan oyr oyd reyna reynas reyno reynos dexó dexé dexe dexen dexo baxo baxa baxan baxó baxar baxava
        abaxo debaxo abaxa quexa quexas quexar quexó quexoso lexos enxiemplo enxemplo nasció nasçió nasciste
        nasçiste nascí nasçí nascieron nasçer nasçen conoscer conosçer conoscí conosció conosce parescer paresce
        paresçe paresció merescer meresce meresçe luengo luenga luengos luengas cibdad cibdades cibdat cobdicia
        cobdiciar cobdo debdo debda dubda dubdas dubdo dubdar cabdal cabdillo verdat beldat heredat claridat
        maldat cavallo cavallos cavallero cavalleros vassallo vassallos desseo desseos huesso huessos fuesse
        fuessen fuesses passión passiones coraçón coraçones coraçon fuerça fuerças pieça alçó començó comiença
        comiençan quiçá juyzio juizio clerezía bendicho maldicho cuyta cuytado cuydado cuydados traydor
        traydores ayre ayres soys veys veynte treynta bivir bevir vevir bive biven bivo bivos bivía bolver
        bolvió buelve buelven buelto buelta bever boz bozes dozientos trezientos fiere fieren feziera feziere
        fezieron abaxan abaxar abaxó nuef siet fabla- dexa- onrra- honrra- sennor- duenna- çi- çe- enb- enp-
        conb- conp- tanb- senb- sonb- onb- canp- tienp- tenp- sienp- nonb- ronp- linp- cunp- -çión -çiones -çio
        -çios -çia -çias -çer -çes -mientre -iello -iella -iellos -iellas -iesse -iessen -iesses -iéssedes
        -ássedes -iéredes -avan -avades -ávades -áys -éys -zillo -zilla -zillos -zillas -zico -zica -zicos
        -zicas
        """,
        counts_as="es",
    ),
}
