"""Splits what was said into statements, and tells a statement worth remembering from talk."""

from __future__ import annotations

import re

LONGEST_TALK = 160  # characters; what is longer says something
_CODE = re.compile(r"```.*?(?:```|\Z)|<[^<>]{1,80}>", re.DOTALL)
_SPLIT = re.compile(r"(?<=[.!?…])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9I])|\n+")
_ABBREVIATION = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|Prof|St|e\.g|i\.e|etc|vs|No|approx)\.$")
_LIST_MARK = re.compile(r"^\s*(?:[-*•]|\d{1,2}[.)])\s+")
_LEADING = re.compile(
    r"^(?:(?:oh|well|so|ah|um|uh|hmm|hey|hi|hello|yes|yeah|yep|no|nope|ok|okay|sure|right|actually|anyway|also|"
    r"and|but|"
    r"plus|honestly|basically|btw|by the way|to be honest|as i said|as i mentioned|just so you know|fyi|"
    r"for the record|"
    r"wow|haha|lol|thanks|thank you|sorry|correction|please note(?: that)?|note that|please remember(?: that)?|"
    r"remember that|remember this|remember|please|i told you(?: that)?|i mean|you know|i think(?: that)?|i guess|"
    r"i believe(?: that)?)"
    r"(?:[,!.:;–—-]+\s*|\s+(?=(?:i|i'm|i've|i'd|my|we|we're|we've|our|actually|that)\b)))+",
    re.IGNORECASE,
)
_CLAUSES = re.compile(
    r"\s*;\s+|,?\s+(?:and|but|while|although|though|so)\s+(?=(?:i|i'm|i've|my|we|we're|we've|our)\b)|"
    r",\s+(?=(?:i'm|i am|i have|i've|i live|i work|i like|i love|i hate|i prefer|my \w+ (?:is|are))\b)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"^(?:(?:so|and|but|also|or|then),?\s+)?(?:what|who|whom|whose|when|where|why|how|which|"
    r"(?:can|could|will|would|shall|should|may|might|must|is|are|am|was|were|do|does|did|has|have|had|isn't|"
    r"aren't|don't|"
    r"doesn't|didn't|won't|wouldn't|couldn't|can't)\s+(?:you|i|we|it|there|this|that|these|those|he|she|they|"
    r"the|my|your|"
    r"anyone|someone)\b)",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"^(?:please\b|kindly\b|let's\b|let me\b|go ahead\b|(?:don't|do not|never|always)\s+(?:forget|tell|use|send|"
    r"give|write|"
    r"answer|reply|call|mention|include)\b|(?:add|answer|apply|ask|book|buy|calculate|call|cancel|change|check|"
    r"choose|"
    r"compare|confirm|continue|convert|cook|create|delete|describe|draft|email|exchange|explain|fetch|find|fix|"
    r"format|"
    r"forget|generate|get|give|help|keep|list|look|make|modify|move|open|order|pay|pick|plan|play|print|process|"
    r"proceed|"
    r"proofread|provide|put|read|recommend|refund|remind|remove|rename|repeat|reply|reserve|return|run|save|schedule|"
    r"search|select|send|set|show|start|stop|submit|suggest|summari[sz]e|take|teach|tell|test|translate|try|"
    r"turn|update|"
    r"upgrade|use|wait|watch|write)\b(?!\s+(?:is|are|was|were|has|have)\b))",
    re.IGNORECASE,
)
# What a speaker wants done in this conversation, rather than what is so.
_ERRAND = re.compile(
    r"\b(?:i|we)(?:'d| would| do)?(?: really| just| also| still)*\s*(?:'d like|like|love|want|wanted|need|"
    r"needed|wish|hope|"
    r"hoping|am trying|'m trying|am looking|'m looking|was wondering|was hoping|am calling|'m calling|"
    r"am writing|'m writing)"
    r"\s+(?:you\s+)?(?:to|for|about|if)\s+(?:please\s+)?(?:add|apply|ask|book|cancel|change|check|clarify|"
    r"confirm|discuss|"
    r"exchange|find|get|hear|help|inquire|know|look|make (?:a|sure|some)|modify|move|order|proceed|receive|remove|"
    r"request|reschedule|reserve|return|see|speak|submit|switch|talk|update|upgrade|use|verify|you|some|help|"
    r"information|"
    r"assistance)\b|\b(?:i|we) (?:need|want) (?:your |some |any )?(?:help|advice|assistance|information)\b|"
    r"\bi(?:'d| would) appreciate\b",
    re.IGNORECASE,
)
_TALK = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening|night)|thanks|thank you|thx|cheers|bye|goodbye|see you|"
    r"take care|ok|okay|sure|great|perfect|cool|nice|awesome|fine|alright|got it|sounds good|no problem|"
    r"you're welcome|"
    r"welcome|yes|no|yeah|yep|nope|wow|haha|lol|congrats|congratulations|sorry|good luck)\b[\s,!.]*)+"
    r"(?:[\w']+[\s,!.]*){0,3}$|^i (?:see|understand|agree|think so|guess so|hope so|know|don't know|don't mind|"
    r"don't care|"
    r"appreciate (?:it|that|your .*))\b[^,]{0,12}$|^(?:that|this|it)(?:'s| is| was| sounds| looks| would be)\b|"
    r"^(?:sounds|looks|glad|happy to hear)\b|^(?:i|we) (?:\w+ )?\w+ (?:it|that|this|them)\W*$|^as i \w+$",
    re.IGNORECASE,
)
_TO_THE_LISTENER = re.compile(r"\b(?:you|your|yours|you're|you've|you'll|you'd)\b", re.IGNORECASE)
# A statement about something named before, which a record by itself would leave open.
_DANGLING = re.compile(
    r"^(?:they|he|she|it|this|that|these|those|their|his|her|its|there|here|both|such|then|what|who|which|when|"
    r"where|how)"
    r"(?:'\w+)?\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(
    r"\b(?:i|i'm|i've|i'd|i'll|my|me|mine|myself|we|we're|we've|we'll|our|us|ours)\b", re.IGNORECASE
)
_WORLD = re.compile(
    r"^(?:the|this|a|an|[A-Z])[\w'’&.-]*(?:\s+[\w'’&.-]+){0,7}?\s+(?:is|are|was|were|has|have|had|lives?|works?|"
    r"costs?|"
    r"starts?|ends?|opens?|closes?|takes?|runs?|uses?|needs?|likes?|loves?|hates?|prefers?|moved|will|must|"
    r"cannot|can't)\b"
)


def clean(text: str) -> str:
    """The text without code, markup and typographic quotes."""
    return _CODE.sub(" ", text).replace("’", "'").replace("“", '"').replace("”", '"')


def sentences(text: str) -> list[str]:
    """The sentences of a text, list marks removed, in order."""
    found: list[str] = []
    for part in _SPLIT.split(clean(text)):
        sentence = _LIST_MARK.sub("", " ".join(part.split()))
        if found and _ABBREVIATION.search(found[-1]):
            found[-1] = f"{found[-1]} {sentence}"
        elif sentence:
            found.append(sentence)
    return found


def is_question(sentence: str) -> bool:
    """Whether a sentence asks something, with or without a question mark."""
    return sentence.rstrip("\"') ").endswith("?") or bool(_QUESTION.match(sentence))


def is_talk(sentence: str) -> bool:
    """Whether a sentence is a greeting, thanks, assent or comment that holds nothing to remember."""
    if len(sentence) > LONGEST_TALK:
        return False  # and the pattern, which may try many ways to part the words, is spared a long one
    return bool(_TALK.match(sentence)) or len(sentence.split()) < 3


def is_request(sentence: str) -> bool:
    """Whether a sentence tells the assistant to do something."""
    return bool(_COMMAND.match(sentence)) or bool(_ERRAND.search(sentence))


def without_filler(sentence: str) -> str:
    """A sentence without "actually,", "well," and their like at its start."""
    cut = _LEADING.sub("", sentence).strip(" ,;:-–—")
    return cut[:1].upper() + cut[1:] if cut else sentence


def statements(text: str) -> list[str]:
    """The clauses of a text that state something about the speaker or their world.

    Questions, requests, greetings, comments and sentences addressed to the listener are left out; fillers at the
    start ("actually, ...") are cut; independent clauses ("I live in Porto and I work as a nurse") are parted.
    """
    found = []
    for sentence in sentences(text):
        if is_question(sentence):
            continue
        for part in _CLAUSES.split(_LEADING.sub("", sentence)):
            clause = _LEADING.sub("", part.strip(" ,;:-–—")).strip(" ,;:-–—")
            if not clause or len(clause) > 600 or is_talk(clause) or is_request(clause) or is_question(clause):
                continue
            if _TO_THE_LISTENER.search(clause) or _DANGLING.match(clause):
                continue
            if _FIRST_PERSON.search(clause) or _WORLD.match(clause):
                found.append(clause)
    return found
