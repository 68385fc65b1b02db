"""Holds standing statements and talk in ten languages, to measure with: no sample sentence was written from them.

The statements say the same five things in each language, as a speaker would: a thing never to do, a thing always to do,
a bound, a form of answers, and a wish in few words. The talk is about everyday things; names and numbers in it vary, so
that no two turns are the same.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """What is said in one language.

    Attributes:
        statements: Requests that hold.
        talk: What the user says besides; ``{name}``, ``{place}`` and ``{number}`` vary.
        answers: What the assistant says.
    """

    statements: tuple[str, ...]
    talk: tuple[str, ...]
    answers: tuple[str, ...]


NAMES = ("Iris", "Matteo", "Olga", "Bruno", "Selma", "Tadeo", "Wanda", "Yuki", "Noor", "Pavel", "Greta")
PLACES = ("Lund", "Graz", "Vigo", "Siena", "Gdynia", "Nara", "Breda")

LANGUAGES = {
    "English": Language(
        (
            "Whatever you do, leave my brother out of the invitations.",
            "Each time you quote a train, add the platform.",
            "Hotels over 140 euros a night are out of the question for me.",
            "I'd like your answers in two sentences, every time.",
            "Only vegetarian suggestions, please.",
        ),
        (
            "{name} called yesterday and told me about the storm in {place}.",
            "We picked {number} kilos of plums on Saturday.",
            "I watched a film about lighthouses and fell asleep.",
            "{name} has a new bicycle, a green one.",
            "The bakery in {place} was closed again.",
            "My knee is better than last week.",
            "There were {number} people in the choir tonight.",
            "How far is it from here to {place}?",
            "The cat slept on the keyboard for {number} minutes.",
            "I think {name} would love the museum in {place}.",
        ),
        ("That sounds like a good day.", "I see.", "It is about an hour by car.", "Plums are early this year."),
    ),
    "German": Language(
        (
            "Meinen Bruder lädst du bitte unter keinen Umständen ein.",
            "Wenn du mir einen Zug nennst, gehört immer das Gleis dazu.",
            "Hotels über 140 Euro die Nacht kommen für mich nicht infrage.",
            "Ich möchte deine Antworten stets in höchstens zwei Sätzen.",
            "Bitte nur noch vegetarische Vorschläge.",
        ),
        (
            "{name} hat gestern angerufen und vom Sturm in {place} erzählt.",
            "Am Samstag haben wir {number} Kilo Pflaumen gepflückt.",
            "Ich habe einen Film über Leuchttürme gesehen und bin eingeschlafen.",
            "{name} hat ein neues Fahrrad, ein grünes.",
            "Die Bäckerei in {place} war schon wieder zu.",
            "Meinem Knie geht es besser als letzte Woche.",
            "Heute Abend waren {number} Leute im Chor.",
            "Wie weit ist es von hier nach {place}?",
            "Die Katze hat {number} Minuten auf der Tastatur geschlafen.",
            "Ich glaube, {name} würde das Museum in {place} gefallen.",
        ),
        (
            "Das klingt nach einem schönen Tag.",
            "Ach so.",
            "Etwa eine Stunde mit dem Auto.",
            "Dieses Jahr sind sie früh.",
        ),
    ),
    "Spanish": Language(
        (
            "A mi hermano no lo invites en ningún caso.",
            "Siempre que me des un tren, dime también el andén.",
            "Los hoteles de más de 140 euros la noche quedan descartados.",
            "Quiero que tus respuestas tengan como mucho dos frases.",
            "Solo propuestas vegetarianas, por favor.",
        ),
        (
            "{name} llamó ayer y me contó lo de la tormenta en {place}.",
            "El sábado recogimos {number} kilos de ciruelas.",
            "Vi una película sobre faros y me quedé dormido.",
            "{name} tiene una bicicleta nueva, una verde.",
            "La panadería de {place} estaba cerrada otra vez.",
            "La rodilla me duele menos que la semana pasada.",
            "Esta noche éramos {number} personas en el coro.",
            "¿Qué distancia hay de aquí a {place}?",
            "El gato durmió {number} minutos encima del teclado.",
            "Creo que a {name} le encantaría el museo de {place}.",
        ),
        ("Parece un buen día.", "Ya veo.", "Más o menos una hora en coche.", "Este año vienen pronto."),
    ),
    "French": Language(
        (
            "Mon frère, tu ne l'invites sous aucun prétexte.",
            "Chaque fois que tu me donnes un train, ajoute le quai.",
            "Les hôtels à plus de 140 euros la nuit sont exclus.",
            "Je veux que tes réponses tiennent toujours en deux phrases.",
            "Uniquement des idées végétariennes, s'il te plaît.",
        ),
        (
            "{name} a appelé hier et m'a raconté la tempête à {place}.",
            "Samedi, nous avons cueilli {number} kilos de prunes.",
            "J'ai regardé un film sur les phares et je me suis endormi.",
            "{name} a un nouveau vélo, un vert.",
            "La boulangerie de {place} était encore fermée.",
            "Mon genou va mieux que la semaine dernière.",
            "Nous étions {number} à la chorale ce soir.",
            "Quelle distance y a-t-il d'ici à {place} ?",
            "Le chat a dormi {number} minutes sur le clavier.",
            "Je crois que {name} aimerait beaucoup le musée de {place}.",
        ),
        ("Une belle journée, on dirait.", "Je vois.", "À peu près une heure en voiture.", "Elles sont en avance."),
    ),
    "Italian": Language(
        (
            "Mio fratello non va invitato per nessun motivo.",
            "Ogni volta che mi dai un treno, aggiungi il binario.",
            "Gli alberghi sopra i 140 euro a notte sono fuori discussione.",
            "Voglio risposte di due frasi al massimo, sempre.",
            "Solo proposte vegetariane, per favore.",
        ),
        (
            "{name} ha chiamato ieri e mi ha raccontato della tempesta a {place}.",
            "Sabato abbiamo raccolto {number} chili di prugne.",
            "Ho guardato un film sui fari e mi sono addormentato.",
            "{name} ha una bicicletta nuova, verde.",
            "Il panificio di {place} era di nuovo chiuso.",
            "Il ginocchio va meglio della settimana scorsa.",
            "Stasera eravamo in {number} al coro.",
            "Quanto dista {place} da qui?",
            "Il gatto ha dormito {number} minuti sulla tastiera.",
            "Credo che a {name} piacerebbe il museo di {place}.",
        ),
        ("Sembra una bella giornata.", "Capisco.", "Circa un'ora in macchina.", "Quest'anno sono in anticipo."),
    ),
    "Portuguese": Language(
        (
            "O meu irmão não é para convidar em caso algum.",
            "Sempre que me indicares um comboio, junta a plataforma.",
            "Hotéis acima de 140 euros por noite estão fora de questão.",
            "Quero as tuas respostas sempre em duas frases, no máximo.",
            "Só sugestões vegetarianas, por favor.",
        ),
        (
            "{name} ligou ontem e contou-me da tempestade em {place}.",
            "No sábado apanhámos {number} quilos de ameixas.",
            "Vi um filme sobre faróis e adormeci.",
            "{name} tem uma bicicleta nova, uma verde.",
            "A padaria de {place} estava outra vez fechada.",
            "O meu joelho está melhor do que na semana passada.",
            "Hoje à noite éramos {number} no coro.",
            "A que distância fica {place} daqui?",
            "O gato dormiu {number} minutos em cima do teclado.",
            "Acho que {name} ia adorar o museu de {place}.",
        ),
        ("Parece um bom dia.", "Estou a ver.", "Mais ou menos uma hora de carro.", "Este ano vêm cedo."),
    ),
    "Dutch": Language(
        (
            "Mijn broer nodig je in geen geval uit.",
            "Elke keer dat je een trein noemt, zet je het spoor erbij.",
            "Hotels boven de 140 euro per nacht zijn voor mij uitgesloten.",
            "Ik wil je antwoorden altijd in hoogstens twee zinnen.",
            "Alleen vegetarische voorstellen, graag.",
        ),
        (
            "{name} belde gisteren en vertelde over de storm in {place}.",
            "Zaterdag hebben we {number} kilo pruimen geplukt.",
            "Ik keek een film over vuurtorens en viel in slaap.",
            "{name} heeft een nieuwe fiets, een groene.",
            "De bakker in {place} was weer dicht.",
            "Met mijn knie gaat het beter dan vorige week.",
            "We waren vanavond met {number} mensen in het koor.",
            "Hoe ver is het van hier naar {place}?",
            "De kat sliep {number} minuten op het toetsenbord.",
            "Ik denk dat {name} het museum in {place} leuk zou vinden.",
        ),
        ("Dat klinkt als een mooie dag.", "Ik snap het.", "Ongeveer een uur met de auto.", "Ze zijn vroeg dit jaar."),
    ),
    "Polish": Language(
        (
            "Mojego brata pod żadnym pozorem nie zapraszaj.",
            "Ilekroć podajesz mi pociąg, dopisz też peron.",
            "Hotele droższe niż 140 euro za noc nie wchodzą w grę.",
            "Chcę, żeby twoje odpowiedzi miały najwyżej dwa zdania.",
            "Tylko wegetariańskie propozycje, proszę.",
        ),
        (
            "{name} dzwoniła wczoraj i opowiadała o burzy w {place}.",
            "W sobotę zebraliśmy {number} kilo śliwek.",
            "Oglądałem film o latarniach morskich i zasnąłem.",
            "{name} ma nowy rower, zielony.",
            "Piekarnia w {place} znów była zamknięta.",
            "Kolano boli mniej niż w zeszłym tygodniu.",
            "Na chórze było dziś {number} osób.",
            "Jak daleko jest stąd do {place}?",
            "Kot spał {number} minut na klawiaturze.",
            "Myślę, że {name} polubiłaby muzeum w {place}.",
        ),
        ("Brzmi jak dobry dzień.", "Rozumiem.", "Mniej więcej godzina samochodem.", "W tym roku są wcześnie."),
    ),
    "Japanese": Language(
        (
            "兄だけは、何があっても招待しないでください。",
            "電車を案内するときは、毎回ホームの番号も教えてください。",
            "一泊140ユーロを超えるホテルは論外です。",
            "返事はいつも二文以内にしてほしいです。",
            "提案はベジタリアン向けだけでお願いします。",
        ),
        (
            "昨日{name}から電話があって、{place}の嵐の話を聞きました。",
            "土曜日にプラムを{number}キロ収穫しました。",
            "灯台の映画を見ていたら眠ってしまいました。",
            "{name}が緑色の新しい自転車を買いました。",
            "{place}のパン屋はまた閉まっていました。",
            "膝は先週よりだいぶ良くなりました。",
            "今夜の合唱には{number}人集まりました。",
            "ここから{place}までどのくらいありますか。",
            "猫がキーボードの上で{number}分も寝ていました。",
            "{name}は{place}の美術館が好きだと思います。",
        ),
        ("いい一日だったようですね。", "なるほど。", "車で一時間ほどです。", "今年は早いですね。"),
    ),
    "Chinese": Language(
        (
            "无论如何都不要邀请我哥哥。",
            "每次给我推荐火车时，都要写上站台号。",
            "每晚超过140欧元的酒店我一律不考虑。",
            "希望你的回答每次都不超过两句话。",
            "请只推荐素食。",
        ),
        (
            "{name}昨天打电话来，跟我说了{place}的暴风雨。",
            "星期六我们摘了{number}公斤李子。",
            "我看了一部关于灯塔的电影，结果睡着了。",
            "{name}买了一辆绿色的新自行车。",
            "{place}的面包店又关门了。",
            "我的膝盖比上周好多了。",
            "今晚合唱团来了{number}个人。",
            "从这里到{place}有多远？",
            "猫在键盘上睡了{number}分钟。",
            "我觉得{name}会喜欢{place}的博物馆。",
        ),
        ("听起来是不错的一天。", "明白了。", "开车大约一个小时。", "今年熟得早。"),
    ),
}
"""Ten languages."""

FRESH = {
    "English": (
        "The name of my daughter's school stays out of everything you publish.",
        "Run it past Henrik each time before you order parts for the workshop.",
        "A parcel over 12 kilos is more than I can carry, so keep every order below that.",
        "I want the next step at the bottom of each of your answers.",
        "Text messages only, no calls.",
    ),
    "German": (
        "Der Name von der Schule meiner Tochter hat in deinen Texten nichts zu suchen.",
        "Bevor du Teile für die Werkstatt bestellst, fragst du jedes Mal Henrik.",
        "Mehr als 12 Kilo pro Paket kann ich nicht tragen, bleib bei allen Bestellungen darunter.",
        "Am Ende jeder Antwort will ich den nächsten Schritt lesen.",
        "Nur Textnachrichten, keine Anrufe.",
    ),
    "Spanish": (
        "El nombre del colegio de mi hija no debe salir en nada de lo que publiques.",
        "Cada vez que vayas a pedir piezas para el taller, consúltalo antes con Henrik.",
        "Con más de 12 kilos por paquete no puedo, así que todos los pedidos por debajo de eso.",
        "Al final de cada respuesta quiero ver el siguiente paso.",
        "Solo mensajes de texto, nada de llamadas.",
    ),
    "French": (
        "Le nom de l'école de ma fille ne doit figurer dans rien de ce que tu publies.",
        "Avant de commander des pièces pour l'atelier, tu demandes chaque fois à Henrik.",
        "Au-delà de 12 kilos par colis je ne peux pas porter, alors reste en dessous à chaque commande.",
        "Je veux trouver l'étape suivante à la fin de chacune de tes réponses.",
        "Des SMS uniquement, pas d'appels.",
    ),
    "Italian": (
        "Il nome della scuola di mia figlia non deve comparire in niente di ciò che pubblichi.",
        "Prima di ordinare pezzi per l'officina senti ogni volta Henrik.",
        "Più di 12 chili a pacco non li porto, quindi tieni tutti gli ordini al di sotto.",
        "In fondo a ogni risposta voglio il passo successivo.",
        "Solo messaggi, niente telefonate.",
    ),
    "Portuguese": (
        "O nome da escola da minha filha não pode aparecer em nada do que publicares.",
        "Antes de encomendares peças para a oficina, fala sempre com o Henrik.",
        "Não consigo carregar mais de 12 quilos por pacote, por isso mantém todas as encomendas abaixo disso.",
        "No fim de cada resposta quero o passo seguinte.",
        "Só mensagens de texto, nada de chamadas.",
    ),
    "Dutch": (
        "De naam van de school van mijn dochter hoort nergens in wat je publiceert.",
        "Voordat je onderdelen voor de werkplaats bestelt, vraag je het telkens aan Henrik.",
        "Meer dan 12 kilo per pakket kan ik niet tillen, dus blijf daar bij elke bestelling onder.",
        "Onder elk antwoord wil ik de volgende stap zien staan.",
        "Alleen berichtjes, geen telefoontjes.",
    ),
    "Polish": (
        "Nazwa szkoły mojej córki nie ma prawa pojawić się w niczym, co publikujesz.",
        "Zanim zamówisz części do warsztatu, za każdym razem pytaj Henryka.",
        "Paczki powyżej 12 kilo nie uniosę, więc każde zamówienie ma być lżejsze.",
        "Na końcu każdej odpowiedzi chcę mieć następny krok.",
        "Tylko SMS-y, żadnych telefonów.",
    ),
    "Japanese": (
        "娘の学校の名前は、公開する文章には一切出さないでください。",
        "工房の部品を注文する前に、毎回ヘンリックに確認してください。",
        "荷物は一つ12キロまでしか運べないので、注文は全部それ以下に抑えてください。",
        "回答の最後には必ず次にやることを書いてほしいです。",
        "連絡は電話ではなくメッセージだけにしてください。",
    ),
    "Chinese": (
        "你发布的任何内容里都不能出现我女儿学校的名字。",
        "每次给车间订零件之前，先问一下亨里克。",
        "超过12公斤的包裹我搬不动，所有订单都要控制在这个重量以下。",
        "每个回答的末尾我都要看到下一步该做什么。",
        "只发短信，别打电话。",
    ),
}
"""Five other statements in each language, written when the first had been measured and before what followed from it."""

THIRD = {
    "English": (
        "Sign every mail you draft for me with just the letter K.",
        "Whatever I ask, leave prices out of your replies.",
        "I'd rather you answered in at most four lines each time.",
        "Do not ever phone my landlord.",
        "Always convert distances to miles for me.",
    ),
    "German": (
        "Unterschreib jede Mail, die du für mich entwirfst, nur mit dem Buchstaben K.",
        "Lass Preise grundsätzlich aus deinen Antworten weg.",
        "Antworte mir jedes Mal in höchstens vier Zeilen.",
        "Ruf niemals meinen Vermieter an.",
        "Rechne Entfernungen für mich immer in Meilen um.",
    ),
    "Spanish": (
        "Firma cada correo que redactes por mí solo con la letra K.",
        "Pregunte lo que pregunte, deja los precios fuera de tus respuestas.",
        "Contéstame siempre en cuatro líneas como mucho.",
        "No llames jamás a mi casero.",
        "Conviérteme siempre las distancias a millas.",
    ),
    "French": (
        "Signe chaque courriel que tu rédiges pour moi de la seule lettre K.",
        "Quoi que je demande, laisse les prix en dehors de tes réponses.",
        "Réponds-moi chaque fois en quatre lignes au plus.",
        "N'appelle jamais mon propriétaire.",
        "Convertis toujours les distances en miles pour moi.",
    ),
    "Italian": (
        "Firma ogni mail che scrivi per me solo con la lettera K.",
        "Qualunque cosa chieda, lascia i prezzi fuori dalle risposte.",
        "Rispondimi ogni volta in quattro righe al massimo.",
        "Non chiamare mai il mio padrone di casa.",
        "Converti sempre le distanze in miglia per me.",
    ),
    "Portuguese": (
        "Assine cada e-mail que redigir por mim apenas com a letra K.",
        "Pergunte eu o que perguntar, deixe os preços fora das respostas.",
        "Responda-me sempre em quatro linhas no máximo.",
        "Nunca telefone ao meu senhorio.",
        "Converta sempre as distâncias para milhas.",
    ),
    "Dutch": (
        "Onderteken elke mail die je voor me opstelt alleen met de letter K.",
        "Wat ik ook vraag, laat prijzen uit je antwoorden weg.",
        "Antwoord me telkens in hoogstens vier regels.",
        "Bel nooit mijn huisbaas.",
        "Reken afstanden voor mij altijd om naar mijlen.",
    ),
    "Polish": (
        "Każdy mail, który dla mnie piszesz, podpisuj tylko literą K.",
        "O cokolwiek zapytam, pomijaj ceny w odpowiedziach.",
        "Odpowiadaj mi za każdym razem najwyżej w czterech wierszach.",
        "Nigdy nie dzwoń do mojego gospodarza.",
        "Zawsze przeliczaj mi odległości na mile.",
    ),
    "Japanese": (
        "私の代わりに書くメールには、署名は必ずKの一文字だけにしてください。",
        "何を聞いても、返事に値段は書かないでください。",
        "毎回、四行以内で答えてください。",
        "大家さんには絶対に電話しないでください。",
        "距離はいつもマイルに直してください。",
    ),
    "Chinese": (
        "替我写的每封邮件都只用字母K署名。",
        "不管我问什么，回答里都不要写价格。",
        "每次回答我最多四行。",
        "绝对不要给我的房东打电话。",
        "距离请一直帮我换算成英里。",
    ),
}
"""Five more a language, written after the sample sentences were changed last, and measured once."""


def turns(language: Language, number: int) -> list[tuple[str, str]]:
    """Return turns of talk, no two of them the same."""
    made = []
    for at in range(number):
        # Each round of the sentences has other names, places and numbers.
        text = language.talk[at % len(language.talk)]
        fields = {"name": NAMES[at % len(NAMES)], "place": PLACES[at % len(PLACES)], "number": 3 + at * 7 % 90}
        told = text.format(**fields)
        if told == text:
            told = f"{text} ({at})"
        made.append((told, language.answers[at % len(language.answers)]))
    return made
