"""Conversations in seven languages for `bench/recall.py`: thirty facts each, between small talk.

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

_FRENCH = """
Ma tante Solange habite au 22 de la rue des Tanneurs.|Où habite ma tante ?|rue des Tanneurs
Le double des clés est caché sous le pot de lavande.|Où ai-je caché le double des clés ?|pot de lavande
Notre perroquet s'appelle Gaspard et parle beaucoup.|Quel est le nom de notre perroquet ?|Gaspard
Je ne supporte pas les arachides, j'y suis allergique.|À quoi suis-je allergique ?|arachides
J'ai rendez-vous chez l'ophtalmologue le 12 novembre.|Quand est mon rendez-vous chez l'ophtalmologue ?|12 novembre
La voiture est immatriculée GT-482-BL.|Quelle est l'immatriculation de la voiture ?|GT-482-BL
Ma directrice s'appelle Madame Quillévéré.|Comment s'appelle ma directrice ?|Quillévéré
La facture d'eau s'élève à 57,20 euros.|À combien s'élève la facture d'eau ?|57,20
En février nous partirons à Marrakech.|Où partirons-nous en février ?|Marrakech
Le mot de passe du wifi est brumebleue31.|C'est quoi le mot de passe du wifi ?|brumebleue31
Mon grand-père mettait du poivre long dans sa ratatouille.|Que mettait grand-père dans la ratatouille ?|poivre long
Le chauffagiste passera mardi entre huit heures et dix heures.|Quel jour passe le chauffagiste ?|mardi
Le lave-vaisselle date de 2016 et fait du bruit.|De quelle année date le lave-vaisselle ?|2016
Ma cousine étudie la volcanologie à Clermont.|Qu'étudie ma cousine ?|volcanologie
L'atelier de poterie se tient dans l'ancienne gare.|Où se tient l'atelier de poterie ?|ancienne gare
Il me faut trente-cinq cartons pour le déménagement.|De combien de cartons ai-je besoin pour déménager ?|trente-cinq
Le lapin ne mange que du foin de luzerne.|Que mange le lapin ?|luzerne
Le médecin m'a prescrit 75 microgrammes de lévothyroxine.|Qu'est-ce que le médecin m'a prescrit ?|lévothyroxine
Le colis du Québec porte le numéro QC-5518-D.|Quel numéro porte le colis du Québec ?|QC-5518-D
Les voisins du dessus sont les Bencherif.|Qui sont les voisins du dessus ?|Bencherif
En repassant j'écoute toujours du fado.|Qu'est-ce que j'écoute en repassant ?|fado
On m'a volé ma trottinette devant la piscine.|Où m'a-t-on volé ma trottinette ?|piscine
Le mariage d'Élodie et Karim aura lieu à Annecy.|Où aura lieu le mariage ?|Annecy
Le bail se termine le 28 février.|Quand se termine le bail ?|28 février
Depuis l'automne j'apprends le finnois.|Quelle langue est-ce que j'apprends ?|finnois
La nuit, je règle le chauffage sur 15 degrés.|À combien de degrés je règle le chauffage la nuit ?|15 degrés
Mon roman préféré raconte la vie d'un horloger.|Que raconte mon roman préféré ?|horloger
L'assurance rembourse au plus 1 200 euros pour le violon.|Combien l'assurance rembourse-t-elle pour le violon ?|1 200
J'ai planté trois figuiers au fond du jardin.|Qu'ai-je planté dans le jardin ?|figuiers
La chorale répète le mercredi à la mairie.|Quand répète la chorale ?|mercredi
"""

_SWEDISH = """
Min syster Ingegerd bor på Sjömansgatan 5.|Var bor min syster?|Sjömansgatan 5
Reservnyckeln ligger bakom vedboden.|Var är nyckeln som vi har i reserv?|vedboden
Vår katt heter Rufus och är nio år.|Vad heter katten?|Rufus
Jag tål inte laktos.|Vad tål jag inte?|laktos
Tandläkartiden är den 4 maj klockan elva.|När har jag tid hos tandläkaren?|4 maj
Bilen har registreringsnumret RKD 61F.|Vilket nummer är bilen registrerad med?|RKD 61F
Min chef heter Torvald Ekenstam.|Vad heter min chef?|Ekenstam
Elräkningen blev 912 kronor.|Hur stor var räkningen för elen?|912
I juli reser vi till Färöarna.|Vart reser vi i juli?|Färöarna
Lösenordet till gästnätet är dimmoln48.|Vilket lösenord har gästnätet?|dimmoln48
Farmor hade alltid kardemumma i äppelkakan.|Vad hade farmor i kakan med äpplen?|kardemumma
Rörmokaren kommer på torsdag förmiddag.|När kommer rörmokaren?|torsdag
Tvättmaskinen köpte vi 2018.|Vilket år köpte vi tvättmaskinen?|2018
Min kusin läser glaciologi i Tromsø.|Vad läser min kusin?|glaciologi
Bokcirkeln träffas på kaféet Lindblomman.|Var träffas bokcirkeln?|Lindblomman
Till flytten behöver jag trettio kartonger.|Hur många kartonger behövs till flytten?|trettio
Hunden äter bara foder med vildsvin.|Vilket foder äter hunden?|vildsvin
Läkaren skrev ut 10 milligram loratadin.|Vad skrev läkaren ut?|loratadin
Paketet från Island har numret IS-20417.|Vilket nummer har paketet från Island?|IS-20417
Grannarna heter Papadopoulos och har en dotter.|Vad heter grannarna?|Papadopoulos
När jag diskar lyssnar jag på gamla visor.|Vad lyssnar jag på när jag diskar?|visor
Min cykel blev stulen utanför biblioteket.|Var blev cykeln stulen?|biblioteket
Bröllopet mellan Saga och Melker hålls i Sigtuna.|Var hålls bröllopet?|Sigtuna
Hyreskontraktet går ut den 30 april.|När går kontraktet för hyran ut?|30 april
Sedan i höstas lär jag mig spela dragspel.|Vilket instrument lär jag mig spela?|dragspel
På natten har vi 16 grader i sovrummet.|Hur många grader har vi i sovrummet på natten?|16 grader
Min favoritbok handlar om en fyrvaktare.|Vad handlar favoritboken om?|fyrvaktare
Försäkringen betalar högst 9000 kronor för cellon.|Hur mycket betalar försäkringen för cellon?|9000
I trädgården planterade jag två plommonträd.|Vilka träd planterade jag?|plommonträd
Kören övar på måndagar i församlingshemmet.|När övar kören?|måndagar
"""

_TURKISH = """
Ablam Nermin Çınarlı Sokak 14 numarada oturuyor.|Ablam nerede oturuyor?|Çınarlı Sokak
Yedek anahtar mavi saksının altında.|Yedek anahtar nerede?|mavi saksının
Köpeğimizin adı Zeytin, beş yaşında.|Köpeğimizin adı ne?|Zeytin
Yer fıstığına alerjim var.|Neye alerjim var?|Yer fıstığına
Diş hekimi randevum 9 Mart saat onda.|Diş hekimi randevum ne zaman?|9 Mart
Arabanın plakası 35 KLR 208.|Arabanın plakası nedir?|35 KLR 208
Müdürümün adı Feridun Aksoylu.|Müdürümün adı ne?|Aksoylu
Elektrik faturası 742 lira geldi.|Elektrik faturası ne kadar geldi?|742
Ekimde Tiflis'e gideceğiz.|Ekimde nereye gideceğiz?|Tiflis
Misafir ağının şifresi sisbulutu19.|Misafir ağının şifresi ne?|sisbulutu19
Anneannem elmalı keke hep tarçın koyardı.|Anneannem keke ne koyardı?|tarçın
Tesisatçı perşembe sabahı gelecek.|Tesisatçı ne zaman gelecek?|perşembe
Çamaşır makinesini 2015 yılında aldık.|Çamaşır makinesini hangi yıl aldık?|2015
Kuzenim Trabzon'da deniz biyolojisi okuyor.|Kuzenim ne okuyor?|deniz biyolojisi
Kitap kulübü Karanfil kahvesinde toplanıyor.|Kitap kulübü nerede toplanıyor?|Karanfil
Taşınmak için yirmi sekiz koli lazım.|Taşınmak için kaç koli lazım?|yirmi sekiz
Kedi yalnızca somonlu mama yiyor.|Kedi hangi mamayı yiyor?|somonlu
Doktor bana 40 miligram famotidin yazdı.|Doktor bana ne yazdı?|famotidin
Norveç'ten gelen paketin numarası NO7731.|Norveç'ten gelen paketin numarası kaç?|NO7731
Yan komşularımızın soyadı Hacıbektaşoğlu.|Komşularımızın soyadı ne?|Hacıbektaşoğlu
Yemek yaparken eski türküler dinlerim.|Yemek yaparken ne dinlerim?|türküler
Bisikletim iskelenin önünde çalındı.|Bisikletim nerede çalındı?|iskelenin
Defne ile Kerem'in düğünü Amasra'da olacak.|Düğün nerede olacak?|Amasra
Kira sözleşmesi 31 Ağustos'ta bitiyor.|Kira sözleşmesi ne zaman bitiyor?|31 Ağustos
Geçen yıldan beri Gürcüce öğreniyorum.|Hangi dili öğreniyorum?|Gürcüce
Geceleri kaloriferi 17 dereceye ayarlıyorum.|Kaloriferi geceleri kaç dereceye ayarlıyorum?|17 dereceye
En sevdiğim roman bir fener bekçisini anlatıyor.|En sevdiğim roman neyi anlatıyor?|fener bekçisini
Sigorta piyano için en çok 30.000 lira ödüyor.|Sigorta piyano için ne kadar ödüyor?|30.000
Bahçeye üç ayva ağacı diktim.|Bahçeye ne diktim?|ayva
Koro salı günleri prova yapıyor.|Koro ne zaman prova yapıyor?|salı
"""

_CHINESE = """
我姐姐住在梧桐路十四号。|我姐姐住在哪里?|梧桐路
备用钥匙放在鞋柜后面。|备用钥匙放在哪里?|鞋柜
我们家的猫叫豆沙,今年七岁。|我们家的猫叫什么名字?|豆沙
我对芒果过敏。|我对什么过敏?|芒果
牙医的预约是三月九日上午十点。|牙医约在什么时候?|三月九日
车牌号是沪 A-7K291。|车牌号是多少?|7K291
我的上司姓欧阳。|我的上司姓什么?|欧阳
上个月的电费是三百二十六元。|上个月的电费是多少?|三百二十六
十月我们要去敦煌旅行。|十月我们去哪里旅行?|敦煌
客人用的无线网密码是 qingwu58。|无线网的密码是什么?|qingwu58
外婆做苹果派总要放桂皮。|外婆做苹果派放什么?|桂皮
水管工星期四上午来。|水管工什么时候来?|星期四
洗衣机是二〇一八年买的。|洗衣机是哪一年买的?|二〇一八
我弟弟在青岛读海洋生物学。|我弟弟读什么专业?|海洋生物学
读书会每个月在白桦咖啡馆聚会。|读书会在哪里聚会?|白桦
搬家需要四十个纸箱。|搬家需要多少个纸箱?|四十
小狗只吃三文鱼味的狗粮。|小狗吃什么味的狗粮?|三文鱼
医生给我开了奥美拉唑。|医生给我开了什么药?|奥美拉唑
从挪威寄来的包裹单号是 NO4471。|挪威寄来的包裹单号是多少?|NO4471
隔壁邻居姓司马。|隔壁邻居姓什么?|司马
做饭的时候我喜欢听老爵士乐。|做饭的时候我喜欢听什么?|爵士
我的自行车在火车站门口被偷了。|我的自行车在哪里被偷的?|火车站
小林和晓雯的婚礼在苏州举行。|婚礼在哪里举行?|苏州
租房合同到九月三十日为止。|租房合同什么时候到期?|九月三十日
我从去年开始学冰岛语。|我在学什么语言?|冰岛语
晚上暖气调到十七度。|晚上暖气调到多少度?|十七度
我最喜欢的小说讲一个灯塔看守人。|我最喜欢的小说讲什么?|灯塔看守人
保险对钢琴最多赔一万五千元。|保险对钢琴赔多少钱?|一万五千
我在院子里种了三棵石榴树。|我在院子里种了什么树?|石榴
合唱团每周二排练。|合唱团什么时候排练?|周二
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
    "French": [
        ("Il y a eu un vent terrible aujourd'hui.", "Oui, par ce temps on préfère rester chez soi."),
        ("Je viens de bavarder longtemps avec une amie.", "C'est agréable. De quoi avez-vous parlé ?"),
        ("Merci, ça m'aide vraiment.", "Avec plaisir, n'hésite pas à me redemander."),
    ],
    "Swedish": [
        ("Det blåste rejält ute i dag.", "Ja, då är det skönt att stanna inne."),
        ("Jag pratade länge med en vän nyss.", "Vad trevligt. Vad pratade ni om?"),
        ("Tack, det hjälper verkligen.", "Varsågod, fråga gärna igen."),
    ],
    "Turkish": [
        ("Bugün dışarısı çok rüzgârlıydı.", "Evet, böyle havada evde kalmak en iyisi."),
        ("Az önce bir arkadaşımla uzun uzun konuştum.", "Ne güzel. Neler konuştunuz?"),
        ("Teşekkürler, gerçekten işime yaradı.", "Rica ederim, istediğin zaman sor."),
    ],
    "Chinese": [
        ("今天外面风很大。", "是啊,这种天气最好待在家里。"),
        ("刚才和一个朋友聊了很久。", "真好。你们聊了些什么?"),
        ("谢谢,帮了我大忙。", "不客气,有事随时问我。"),
    ],
}

_NOTED = {
    "German": "Gut, das merke ich mir. Sag Bescheid, falls sich daran etwas ändert.",
    "Spanish": "De acuerdo, lo tendré en cuenta. Avísame si algo cambia.",
    "Japanese": "わかりました、覚えておきます。変わったら教えてください。",
    "French": "D'accord, c'est noté. Préviens-moi si cela change.",
    "Swedish": "Okej, det kommer jag ihåg. Säg till om något ändras.",
    "Turkish": "Tamam, aklımda tutarım. Bir şey değişirse haber ver.",
    "Chinese": "好的,我记住了。如果有变化请告诉我。",
}


def _conversation(language: str, text: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    facts = [line.split("|") for line in text.strip().splitlines()]
    turns = []
    for at, (fact, _, _) in enumerate(facts):
        turns += [(fact, _NOTED[language]), _TALK[language][at % 3]]
    return turns, [(question, answer) for _, question, answer in facts]


CONVERSATIONS = {
    language: _conversation(language, text)
    for language, text in (
        ("German", _GERMAN),
        ("Spanish", _SPANISH),
        ("Japanese", _JAPANESE),
        ("French", _FRENCH),
        ("Swedish", _SWEDISH),
        ("Turkish", _TURKISH),
        ("Chinese", _CHINESE),
    )
}
"""Turns and questions with their answers, by language."""
