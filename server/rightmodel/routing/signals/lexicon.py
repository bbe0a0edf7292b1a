"""Words by which `forms` reads a request: verbs, what they act on, languages, technical terms.

A word alone never decides: every form asks for a verb or a question together with its object.
English first; German, Spanish and French beside it. Chinese and Japanese are in `forms_cjk`.
"""

from __future__ import annotations

from functools import cache
from typing import Final


@cache
def word_set(*lines: str) -> frozenset[str]:
    """The words of some lines; made once for each use."""
    return frozenset(word for line in lines for word in line.split())


def _by_verb(**forms: str) -> dict[str, str]:
    return {word: verb for verb, words in forms.items() for word in words.split()}


VERBS: Final = _by_verb(
    make=(
        "write create make generate draft compose build implement develop code design produce need"
        " want give craft get prepare author pen "
        "mach mache gib fais fais-moi faites donne-moi donnez-moi dame schreib schreibe schreiben"
        " verfasse verfassen erstelle erstellen entwirf implementiere"
        " programmiere implementieren "
        "escribe escribir escriba redacta redactar redacte crea crear implementa genera haz"
        " programa "
        "écris écrivez écrire rédige rédigez rédiger crée créez créer implémente génère génèrez"
    ),
    translate=(
        "translate localize localise übersetze übersetz übersetzen traduce traducir traduzca"
        " traduceme"
        " tradúceme traduis traduisez traduire"
    ),
    render="render put convert turn transform",
    summarize=(
        "summarize summarise condense sum recap fasse fass zusammenfassen resume resumir resuma"
        " résume résumez résumer tl;dr tldr tl"
    ),
    shorten="shorten compress boil distill kürze kürzen acorta raccourcis",
    extract=(
        "extract pull extrahiere extrahieren extrae extraer extraiga extrais extrayez extraire"
    ),
    gather="list find get identify collect grab liste finde nenne enumera lista liste identifie",
    classify=(
        "classify categorize categorise label tag triage bucket klassifiziere klassifizieren"
        " kategorisiere clasifica clasificar categoriza classe classez classifie classer"
    ),
    score="rate score grade flag bewerte califica note",
    sort="sort assign group route ordne sortiere asigna trie",
    calculate=(
        "calculate compute evaluate work berechne berechnen rechne calcula calcular calcule"
        " calculez"
        " calculer estimate"
    ),
    solve=(
        "solve integrate differentiate simplify factor factorize factorise löse lösen resuelve"
        " resolver résous résolvez résoudre expand"
    ),
    prove="prove show beweise beweisen demuestra démontre démontrez prouve",
    convert="",
    debug=(
        "debug refactor debugge debuggen refaktoriere refactoriere depura refactoriza débogue"
        " refactorise optimize optimise optimiere optimiza port rename"
    ),
    fix="fix repair correct behebe repariere korrigiere korrigieren arregla corrige corrigez",
    review="review audit inspect überprüfe prüfe revisa vérifie",
    rewrite=(
        "rewrite rephrase reword paraphrase polish proofread edit improve formuliere reescribe"
        " reformula mejora réécris reformule améliore reformulez"
    ),
    reply="reply respond answer antworte responde réponds",
    explain=(
        "explain describe define erkläre erkläre erklär erklären explica explicar explique"
        " expliquez"
        " expliquer"
    ),
    research="research survey investigate recherchiere investiga recherche",
    compare="compare contrast vergleiche compara comparez",
    argue="argue play poke steelman challenge find",
    decide="decide recommend weigh advise prioritize prioritise rank",
    act=(
        "open go navigate browse click log login run execute clone deploy book schedule monitor"
        " download install push ssh check watch visit fetch upload buy order"
    ),
    add="add insert extend update ergänze añade ajoute",
    look="look see read transcribe count",
)  # fmt: skip

CODE_NOUNS: Final = word_set(
    "regex regexp sql dockerfile makefile unittest unittests docstring docstrings endpoint"
    " endpoints",
    "microservice webhook cli linter parser scraper middleware decorator codebase snippet bash",
    "powershell cronjob crontab yaml css html graphql subroutine stylesheet javascript typescript",
    "python golang kotlin jquery cmdlet api rest dataframe backend frontend refactoring ci",
    "xpath playbook kubernetes terraform userscript benchmark struct enum iterator mutex",
    "unit-test unit-tests testfall unittest quicksort mergesort fizzbuzz",
)
MAYBE_CODE: Final = word_set(
    "function functions script class method program query queries test tests app component module",
    "schema loop macro one-liner template config configuration workflow formula bot migration",
    "pipeline algorithm code hook command library package service server extension plugin wrapper",
    "expression interface constructor routine page website job game type model table view",
    "funktion funktionen skript klasse programm abfrage abfragen methode tests algorithmus befehl",
    "función funciones clase programa consulta método prueba pruebas algoritmo código expresión",
    "fonction fonctions classe programme requête méthode code algorithme commande tests expression",
)
"""Nouns that are code only with a sign of it: a technical word, pasted code, "that returns"."""
WRITING_NOUNS: Final = word_set(
    "poem poems story stories e-mail email emails mail letter post posts blog essay essays speech",
    "article articles haiku haikus limerick toast caption captions tagline taglines slogan slogans",
    "headline headlines bio biography press-release tweet tweets announcement newsletter sonnet",
    "dialogue monologue song lyrics rap joke jokes paragraph invitation eulogy obituary ad advert",
    "copy message messages reply apology note greeting fable novel novella chapter scene"
    " screenplay",
    "sketch editorial op-ed blurb introduction intro ode verse vows pitch testimonial reference",
    "proposal statement resignation memo linkedin postcard card couplet review summary-post",
    "thank-you farewell fairytale tale rhyme riddle rhymes description descriptions text reminder",
    "gedicht geschichte brief rede artikel blogbeitrag beitrag aufsatz anschreiben einladung"
    " märchen",
    "nachricht pressemitteilung produktbeschreibung bewerbung text absage dankesrede haiku"
    " limerick",
    "poema cuento correo carta discurso artículo ensayo historia mensaje invitación descripción",
    "eslogan canción publicación anuncio",
    "poème conte courriel lettre discours histoire message invitation récit chanson annonce mail",
    "dissertation slogan billet",
)
TEXT_NOUNS: Final = word_set(
    "article text thread e-mail email emails mail transcript meeting paper document report chapter",
    "passage conversation discussion notes page paragraph story letter message memo review reviews",
    "abstract section excerpt chat log logs call interview essay speech post feedback contract",
    "minutes ticket tickets comments comment statement sentence sentences following above below"
    " this",
    "it these findings changelog proposal newsletter policy clause podcast lecture book"
    " announcement",
    "resume cv invoice receipt order listing description",
    "artikel e-mail bericht protokoll absatz dokument kapitel brief nachricht vertrag gespräch",
    "texte article courriel rapport document paragraphe chapitre lettre message contrat"
    " conversation",
    "texto artículo correo informe documento párrafo capítulo carta mensaje contrato conversación",
)
PROSE_NOUNS: Final = word_set(
    "email e-mail mail paragraph sentence sentences text message letter essay bio paragraph intro",
    "abstract post article blog wording grammar tone spelling punctuation resume cv reply tweet",
    "headline caption statement note copy announcement proposal introduction conclusion speech"
    " draft",
    "description summary passage memo story poem satz sätze absatz grammatik rechtschreibung brief",
    "frase frases párrafo texto ortografía gramática correo carta phrase phrases paragraphe texte",
    "orthographe grammaire courriel lettre e-mail anschreiben nachricht mensaje",
)
FIELD_NOUNS: Final = word_set(
    "name names date dates address addresses email emails price prices amount amounts number"
    " numbers",
    "field fields entity entities keyword keywords phone phones url urls link links deadline",
    "deadlines company companies person people place places location locations product products",
    "skill skills quantity quantities total totals iban sku skus citation citations figure figures",
    "action actions action-items items item task tasks owner owners invoice ingredient ingredients",
    "quote quotes hashtag hashtags order-number vendor fact facts title titles requirement",
    "requirements term terms clause clauses date-of-birth data details info information mention",
    "mentions organization organizations organisations organisation question questions",
    "namen datum daten adressen adresse preise beträge telefonnummern telefonnummer nummer firmen",
    "nombres nombre fechas fecha direcciones precios importes teléfonos números empresas datos",
    "noms nom dates adresses prix montants téléphones numéros entreprises",
)
ITEM_NOUNS: Final = word_set(
    "review reviews email emails e-mail message messages ticket tickets comment comments tweet",
    "tweets text texts sentence sentences headline headlines transaction transactions document",
    "documents article articles feedback question questions issue issues lead leads product"
    " products",
    "expense expenses statement statements item items entry entries row rows record records post",
    "posts complaint complaints request requests response responses query queries merchant phrase",
    "sentiment tone intent bug-report reply inquiry enquiry conversation following titles resumes",
    "bewertung bewertungen nachricht nachrichten e-mails anfrage anfragen ticket kommentar text",
    "reseña reseñas mensaje mensajes correo correos comentario comentarios opinión texto tickets",
    "avis message messages courriel courriels commentaire commentaires demande demandes texte",
)
LABELS: Final = word_set(
    "spam ham positive negative neutral urgent toxic sarcastic phishing fake satire bug feature",
    "complaint praise offensive hateful harmful safe relevant irrelevant refund billing legitimate",
    "positiv negativ dringend positivo negativo positiva negativa spam urgente positif négatif",
    "scam sentiment junk",
)
TECH: Final = word_set(
    "python python3 javascript typescript node node.js nodejs react golang kotlin c++ c# php"
    " haskell",
    "scala sql postgres postgresql mysql sqlite mongodb redis bash zsh powershell git github"
    " gitlab",
    "docker dockerfile docker-compose kubernetes kubectl k8s terraform ansible nginx css html json",
    "regex regexp pandas numpy django flask fastapi vue angular svelte webpack npm pip pytest jest",
    "junit linux graphql kafka airflow pytorch tensorflow next.js nextjs tailwind flutter elixir",
    "lua matlab jq sed awk grep makefile cmake gradle maven solidity vba cron crontab systemd",
    "asyncio numpy mypy eslint goroutine goroutines sqlalchemy pydantic hibernate spring-boot"
    " laravel",
    "rails api endpoint http stacktrace traceback segfault nullpointerexception compiler typeerror",
    "keyerror valueerror nonetype stdout stderr iterator hashmap codebase repo excel localhost"
    " oauth",
    "stack-trace backend frontend xpath yaml dataframe lambda recursion recursive leetcode"
    " unittest",
    "async boolean webpack struct css3 html5 .net dotnet asp.net express.js vb.net r jquery",
)
LANGUAGES_OF_CODE: Final = word_set(
    "python javascript typescript rust go golang java c c++ c# ruby swift kotlin php perl haskell",
    "scala sql bash shell powershell lua r dart elixir julia matlab css html yaml json xml toml"
    " csv",
    "typescript react vue pandas assembly cobol fortran code pseudocode markdown latex cuda polars",
    "sqlalchemy numpy async asyncio kotlin",
)
CODE_SIGNS: Final = word_set(
    "translates classifies summarizes sends extracts takes take returns return accepts accept"
    " computes checks check parses parse reads read renames",
    "rename converts convert removes remove validates validate sorts sort reverses reverse prints",
    "print calculates deletes filters counts count fetches downloads scrapes matches match splits",
    "merges iterates connects logs inserts joins groups selects finds generates detects handles",
    "implements backs given merge find fetch delete calculate resizes lists strips backups"
    " compress",
    "zurückgibt prüft berechnet nimmt liest umkehrt sortiert devuelva devuelve recibe ordena"
    " calcula",
    "lea compruebe invierta renvoie retourne calcule vérifie trie inverse prend lit",
)
"""Verbs after "a function that": what a program does and a poem does not."""
HUMAN_LANGUAGES: Final = word_set(
    "english german french spanish italian portuguese dutch polish russian chinese mandarin"
    " japanese",
    "korean arabic turkish hindi swedish danish czech ukrainian greek latin norwegian finnish"
    " hebrew",
    "hungarian romanian vietnamese thai indonesian bengali urdu persian farsi catalan croatian",
    "cantonese tamil swahili bulgarian slovak slovenian serbian malay tagalog filipino icelandic",
    "irish welsh basque estonian latvian lithuanian brazilian",
    "deutsch deutsche englisch englische französisch französische spanisch spanische italienisch",
    "italienische portugiesisch polnisch polnische russisch russische chinesisch chinesische",
    "japanisch japanische niederländisch niederländische türkisch türkische arabisch koreanisch",
    "inglés alemán francés español italiano portugués ruso chino japonés coreano árabe neerlandés",
    "polaco turco catalán",
    "anglais allemand français espagnol italien portugais russe chinois japonais coréen arabe",
    "néerlandais polonais turc",
)
POINTERS: Final = word_set(
    "this these following below above attached here it the that those diese diesen dieses dieser",
    "folgende folgenden folgender den die das der este esta estos estas siguiente siguientes el la",
    "los las ce cet cette ces suivant suivante suivants le les l'article l'email",
)
NP_ENDS: Final = word_set(
    "about for to that which who in of on with using from by as where when so and or into",
    "explaining describing based given like called named asking announcing thanking , : ; ("
    " because",
    "über für die der das um zu aus von mit auf an in zum zur wie und",
    "sobre para que de en con del por y como a al",
    "sur pour qui de du des en avec dans par et à au que comme",
)
FRAMES: Final = word_set(
    "list series set couple bunch piece bit pair collection number version draft example block line"
    " lines sample few"
)
"""Nouns that pass the question on to what follows "of": "a series of unit tests"."""
MATH_SIGNS: Final = word_set(
    "percent percentage probability interest integral derivative equation equations average mean",
    "median area volume perimeter sum product ratio roots matrix determinant eigenvalues"
    " eigenvalue",
    "factorial logarithm limit variance deviation hypotenuse polynomial fraction decimals modulo",
    "remainder square cube divided multiplied plus minus times squared gcd lcm tip discount"
    " compound",
    "prozent gleichung wahrscheinlichkeit zinsen fläche summe mittelwert integral ableitung",
    "por-ciento porcentaje ecuación probabilidad interés área suma promedio derivada mediana",
    "kreis círculo cercle circle radio radius rayon triangle aire flächeninhalt",
    "pourcentage équation probabilité intérêts aire somme moyenne dérivée intégrale",
)
THEOREM_SIGNS: Final = word_set(
    "irrational prime primes integer integers divisible theorem convergent converges continuous",
    "bijective injective induction triangle inequality odd even infinitely rational lemma group",
    "matrix eigenvalue sequence bounded differentiable irrationnel premiers teiler primzahlen",
    "irrational irracional primos primzahl countable uncountable isomorphic compact graph",
)
EXPERT: Final = word_set(
    "theorem proof prove lemma distributed concurrency lock-free race deadlock asymptotic np-hard",
    "consensus raft paxos kernel compiler cryptographic eigenvalue stochastic bayesian topology",
    "homology galois manifold olympiad putnam imo differential pde quantum jurisdiction liability",
    "pharmacokinetics differential-diagnosis rct meta-analysis cuda simd vectorized sharding",
    "linearizable crdt fourier lagrangian hamiltonian tensor variational arbitrage derivatives",
    "antitrust gdpr estoppel zero-downtime exactly-once idempotent threat-model side-channel",
    "use-after-free memory-leak formal invariant semantics optimality",
)
THINGS: Final = word_set(
    "code function functions method methods class script query queries test tests build snippet",
    "bug bugs loop component components error errors exception traceback stacktrace regex sql",
    "program module endpoint api repo codebase pr diff patch commit implementation dockerfile",
    "config configuration css html pipeline algorithm compile compilation selector imports",
    "typo-in-code funktion klasse skript abfrage fehler-im-code código función consulta fonction",
    "requête",
)
NOT_CODE: Final = word_set(
    "conduct wedding podcast video training ceremony tv youtube play conference fitness workout",
    "film commercial radio reality loyalty insurance school party festival ethics honor honour",
    "dress movie church theatre theater concert life relationship morning marriage diet sleep",
    "evening gala theaterstück hochzeit boda mariage",
)
SUMMARY: Final = word_set(
    "summary tldr tl;dr synopsis gist recap zusammenfassung resumen résumé synthèse takeaways",
)
POINTING: Final = word_set(
    "this these following below above attached diesen dieses diese folgenden este esta estos",
    "siguiente ce cet cette ces suivant",
)
