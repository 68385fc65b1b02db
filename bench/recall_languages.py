"""Conversations in German, Spanish and Japanese for `bench/recall.py`: thirty facts each, between small talk.

Each conversation is a pair: turns of the user's words and the agent's answer, and a plain question for each fact with
the words that answer it. The questions are put in other words than the facts where people would do so.
"""

from __future__ import annotations

_GERMAN = """
Meine Schwester Annegret wohnt seit März in der Lindenallee 14.|Wo wohnt meine Schwester?|Lindenallee 14
Der Ersatzschlüssel liegt unter dem blauen Blumentopf.|Wo liegt der Ersatzschlüssel?|blauen Blumentopf
Unser Hund heißt Balduin und ist sieben Jahre alt.|Wie heißt unser Hund?|Balduin
Ich bin gegen Haselnüsse allergisch.|Wogegen bin ich allergisch?|Haselnüsse
Der Zahnarzttermin ist am 17. Juni um halb neun.|Wann ist der Termin beim Zahnarzt?|17. Juni
Das Auto hat das Kennzeichen HH-KR 2291.|Welches Kennzeichen hat das Auto?|HH-KR 2291
Mein Chef heißt Herr Vogelsang.|Wie heißt mein Chef?|Vogelsang
Die Rechnung der Stadtwerke beträgt 84,30 Euro.|Wie hoch war die Rechnung der Stadtwerke?|84,30
Wir fliegen im Oktober nach Lissabon.|Wohin fliegen wir im Oktober?|Lissabon
Das Passwort für das Gästenetz lautet regenwolke77.|Wie lautet das Passwort des Gästenetzes?|regenwolke77
Meine Großmutter backte den Apfelkuchen immer mit Zimt und Kardamom.|Womit backte Großmutter den Apfelkuchen?|Kardamom
Der Klempner kommt am Donnerstag zwischen zehn und zwölf.|Wann kommt der Klempner?|Donnerstag
Die Waschmaschine ist von 2019, die Garantie ist abgelaufen.|Von wann ist die Waschmaschine?|2019
Mein Bruder studiert Meeresbiologie in Kiel.|Was studiert mein Bruder?|Meeresbiologie
Der Verein trifft sich jeden ersten Mittwoch im Gasthof Krone.|Wo trifft sich der Verein?|Gasthof Krone
Für den Umzug brauche ich vierzig Kartons.|Wie viele Kartons brauche ich für den Umzug?|vierzig
Die Katze frisst nur Futter mit Lachs.|Welches Futter frisst die Katze?|Lachs
Mein Arzt hat mir 20 Milligramm Pantoprazol verschrieben.|Was hat der Arzt verschrieben?|Pantoprazol
Das Paket aus Norwegen hat die Nummer NO4471-B.|Welche Nummer hat das Paket aus Norwegen?|NO4471-B
Die Nachbarn heißen Özdemir und haben Zwillinge.|Wie heißen die Nachbarn?|Özdemir
Am liebsten höre ich beim Kochen alte Jazzplatten.|Was höre ich beim Kochen?|Jazzplatten
Mein Fahrrad wurde am Hauptbahnhof gestohlen.|Wo wurde mein Fahrrad gestohlen?|Hauptbahnhof
Die Hochzeit von Lena und Mirko findet in Bamberg statt.|Wo findet die Hochzeit statt?|Bamberg
Der Mietvertrag läuft bis zum 30. September.|Bis wann läuft der Mietvertrag?|30. September
Ich lerne seit einem Jahr Isländisch.|Welche Sprache lerne ich?|Isländisch
Die Heizung stelle ich nachts auf 16 Grad.|Auf wie viel Grad stelle ich nachts die Heizung?|16 Grad
Mein Lieblingsbuch ist ein Roman über Leuchtturmwärter.|Wovon handelt mein Lieblingsbuch?|Leuchtturmwärter
Die Versicherung zahlt höchstens 1.500 Euro für das Klavier.|Wie viel zahlt die Versicherung für das Klavier?|1.500
Im Garten habe ich drei Quittenbäume gepflanzt.|Welche Bäume habe ich gepflanzt?|Quittenbäume
Der Chor probt dienstags im Gemeindehaus.|Wann probt der Chor?|dienstags
"""

_SPANISH = """
Mi hermana Remedios vive en la calle del Olmo, número 8.|¿Dónde vive mi hermana?|calle del Olmo
La llave de repuesto está detrás del espejo del pasillo.|¿Dónde está la llave de repuesto?|detrás del espejo
Nuestro gato se llama Pimentón y tiene cuatro años.|¿Cómo se llama nuestro gato?|Pimentón
Soy alérgica a los mariscos.|¿A qué soy alérgica?|mariscos
La cita con el dentista es el 9 de abril a las cinco.|¿Cuándo es la cita con el dentista?|9 de abril
La matrícula del coche es 4417 KLM.|¿Cuál es la matrícula del coche?|4417 KLM
Mi jefa se llama Inmaculada Ferrer.|¿Cómo se llama mi jefa?|Inmaculada
La factura de la luz fue de 63,75 euros.|¿De cuánto fue la factura de la luz?|63,75
En agosto viajaremos a Cartagena de Indias.|¿Adónde viajaremos en agosto?|Cartagena de Indias
La contraseña de la wifi es nubeverde52.|¿Cuál es la contraseña de la wifi?|nubeverde52
Mi abuelo hacía el arroz con azafrán y romero.|¿Con qué hacía el arroz mi abuelo?|azafrán
El fontanero vendrá el viernes por la tarde.|¿Qué día vendrá el fontanero?|viernes
La lavadora la compramos en 2017.|¿En qué año compramos la lavadora?|2017
Mi primo estudia arqueología en Granada.|¿Qué estudia mi primo?|arqueología
El club de lectura se reúne en la librería Alcaraván.|¿Dónde se reúne el club de lectura?|Alcaraván
Para la mudanza necesito veinticinco cajas.|¿Cuántas cajas necesito para la mudanza?|veinticinco
El perro solo come pienso de cordero.|¿Qué pienso come el perro?|cordero
La doctora me recetó 500 miligramos de naproxeno.|¿Qué me recetó la doctora?|naproxeno
El paquete de Chile lleva el número CL-90812.|¿Qué número lleva el paquete de Chile?|CL-90812
Los vecinos del tercero se apellidan Zubizarreta.|¿Cómo se apellidan los vecinos?|Zubizarreta
Cuando corro escucho boleros antiguos.|¿Qué escucho cuando corro?|boleros
Me robaron la bicicleta delante del mercado.|¿Dónde me robaron la bicicleta?|mercado
La boda de Nuria y Teo se celebrará en Cuenca.|¿Dónde se celebrará la boda?|Cuenca
El contrato de alquiler termina el 31 de mayo.|¿Cuándo termina el contrato de alquiler?|31 de mayo
Desde enero aprendo a tocar el violonchelo.|¿Qué instrumento aprendo a tocar?|violonchelo
Por la noche pongo la calefacción a 17 grados.|¿A cuántos grados pongo la calefacción por la noche?|17 grados
Mi película favorita trata de un farero.|¿De qué trata mi película favorita?|farero
El seguro paga como máximo 900 euros por el portátil.|¿Cuánto paga el seguro por el portátil?|900
En el patio planté dos limoneros.|¿Qué planté en el patio?|limoneros
El coro ensaya los jueves en la parroquia.|¿Cuándo ensaya el coro?|jueves
"""

_JAPANESE = """
妹の美咲は横浜市の桜木町三丁目に住んでいます。|妹はどこに住んでいますか?|桜木町
予備の鍵は玄関の傘立ての下にあります。|予備の鍵はどこにありますか?|傘立て
うちの犬の名前は小太郎です。|犬の名前は何ですか?|小太郎
私はそばアレルギーがあります。|私は何のアレルギーがありますか?|そば
歯医者の予約は六月十七日の九時半です。|歯医者の予約はいつですか?|六月十七日
車のナンバーは品川 330 の 45-67 です。|車のナンバーは何番ですか?|45-67
部長の名前は長谷川さんです。|部長の名前は何ですか?|長谷川
電気代は八千四百円でした。|電気代はいくらでしたか?|八千四百円
十月に北海道へ旅行に行きます。|十月にどこへ旅行に行きますか?|北海道
来客用の無線のパスワードは amagumo77 です。|無線のパスワードは何ですか?|amagumo77
祖母はりんごの菓子に肉桂を入れていました。|祖母は菓子に何を入れていましたか?|肉桂
水道屋さんは木曜日の午前中に来ます。|水道屋さんはいつ来ますか?|木曜日
洗濯機は二〇一九年に買いました。|洗濯機はいつ買いましたか?|二〇一九年
弟は函館で海洋生物学を勉強しています。|弟は何を勉強していますか?|海洋生物学
読書会は毎月、喫茶店の白樺で開かれます。|読書会はどこで開かれますか?|白樺
引っ越しには段ボール箱が四十個必要です。|引っ越しに段ボール箱はいくつ必要ですか?|四十個
猫は鮭の缶詰しか食べません。|猫は何を食べますか?|鮭
医者から胃薬を処方されました。|医者から何を処方されましたか?|胃薬
ノルウェーからの荷物の番号は NO4471 です。|ノルウェーからの荷物の番号は?|NO4471
隣の家は山之内さんです。|隣の家は誰ですか?|山之内
料理をするときは古いジャズを聴きます。|料理をするとき何を聴きますか?|ジャズ
自転車は駅前で盗まれました。|自転車はどこで盗まれましたか?|駅前
友人の結婚式は金沢で行われます。|結婚式はどこで行われますか?|金沢
部屋の契約は九月三十日までです。|部屋の契約はいつまでですか?|九月三十日
去年からフィンランド語を習っています。|何語を習っていますか?|フィンランド語
夜は暖房を十八度にしています。|夜の暖房は何度ですか?|十八度
好きな小説は灯台守の話です。|好きな小説は何の話ですか?|灯台守
保険はピアノに十五万円まで払います。|保険はピアノにいくら払いますか?|十五万円
庭に柿の木を二本植えました。|庭に何の木を植えましたか?|柿
合唱団の練習は火曜日です。|合唱団の練習はいつですか?|火曜日
"""

_TALK = {
    "German": [
        ("Heute war es ganz schön windig draußen.", "Ja, da bleibt man lieber drinnen und liest etwas."),
        ("Ich habe vorhin lange mit einer Freundin telefoniert.", "Das klingt schön. Worüber habt ihr gesprochen?"),
        ("Danke, das hilft mir wirklich weiter.", "Gern geschehen, frag einfach, wenn noch etwas ist."),
    ],
    "Spanish": [
        ("Hoy ha hecho mucho viento en la ciudad.", "Sí, con este tiempo apetece quedarse en casa."),
        ("Acabo de hablar un buen rato con una amiga.", "Qué bien. ¿De qué habéis hablado?"),
        ("Gracias, me has ayudado mucho.", "De nada, aquí estoy para lo que haga falta."),
    ],
    "Japanese": [
        ("今日は風がとても強かったです。", "そうですね、家でゆっくりするのがいいですね。"),
        ("さっき友だちと長電話をしました。", "いいですね。どんな話をしましたか。"),
        ("ありがとう、とても助かりました。", "どういたしまして。また何でも聞いてください。"),
    ],
}

_NOTED = {
    "German": "Gut, das merke ich mir. Sag Bescheid, falls sich daran etwas ändert.",
    "Spanish": "De acuerdo, lo tendré en cuenta. Avísame si algo cambia.",
    "Japanese": "わかりました、覚えておきます。変わったら教えてください。",
}


def _conversation(language: str, text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    facts = [line.split("|") for line in text.strip().splitlines()]
    turns = []
    for at, (fact, _, _) in enumerate(facts):
        turns += [(fact, _NOTED[language]), _TALK[language][at % 3]]
    return turns, [(question, answer) for _, question, answer in facts]


CONVERSATIONS = {
    language: _conversation(language, text)
    for language, text in (("German", _GERMAN), ("Spanish", _SPANISH), ("Japanese", _JAPANESE))
}
"""Turns and questions with their answers, by language."""
