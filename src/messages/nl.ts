// Dutch.
import type { en } from "./en.ts";

export const nl: Record<keyof typeof en, string> = {
  "units.needed": "nog {units, plural, one {#} other {#}}",

  "score.line": "{name}: {points, number} van {perfect, number} punten",
  "score.rank": "plaats {rank, number}",
  "score.versions": "Programmaversie {programme}, scoreversie {score}",
  "score.pending": "nieuw bewijs wordt verwerkt",
  "score.merged": "{slug} is samengevoegd met {name} ({into}), die hier staat.",
  "score.sum": "{sum} = {points, plural, one {# punt} other {# punten}}",
  "score.unconfirmed":
    "waarvan {points, plural, one {# punt} other {# punten}} niet bevestigd sinds {since, date, weekday}",
  "replay.known-now": "Per {at, date, instant}, zoals nu bekend",
  "replay.known-at": "Per {at, date, instant}, zoals bekend op {knownAt, date, instant}",
  "replay.version": "Programmaversie {programme}",
  "replay.draft": "Programma van {file}, niet gepubliceerd",
  "replay.scored": "de score was toen {points, plural, one {# punt} other {# punten}}",

  "achievement.line": "{title}: {points, number} van {maximum, number} punten",
  "achievement.retired":
    "{key}: {points, plural, one {# punt} other {# punten}} onder een oudere versie van het programma, tot de score opnieuw is berekend",
  "adjustment.line": "Correctie {id}: {points, plural, one {# punt} other {# punten}}",
  "adjustment.title": "Correctie {id}",
  "adjustment.made": "{reason} ({by}, {at, date, long})",
  "adjustment.until": "Tot {until, date, instant}.",
  "evidence.none": "geen bewijs",
  "evidence.more": "{count, plural, one {… en nog # (zie --json)} other {… en nog # (zie --json)}}",
  "evidence.until": "tot {until}",
  "evidence.unconfirmed": "niet bevestigd sinds {since, date, weekday}",
  "evidence.before": "het venster ervoor",

  "units.unit": "{held, number, exact} {unit}",
  "units.label": "{label}: {held, number, exact}",
  "units.periods.week": "{held, plural, one {# week} other {# weken}}",
  "units.periods.month": "{held, plural, one {# maand} other {# maanden}}",
  "units.periods.quarter": "{held, plural, one {# kwartaal} other {# kwartalen}}",
  "units.streak.week": "{held, plural, one {# week} other {# weken achter elkaar}}",
  "units.streak.month": "{held, plural, one {# maand} other {# maanden achter elkaar}}",
  "units.streak.quarter": "{held, plural, one {# kwartaal} other {# kwartalen achter elkaar}}",
  "units.latest": "{label}: laatst {held, number, exact}",
  "units.growth": "{label}: {held, number, exact} % meer dan in het venster ervoor",
  "units.of.unit": "{held, number, exact} van {target, number, exact} {unit}",
  "units.of.label": "{label}: {held, number, exact} van {target, number, exact}",
  "units.of.periods.week": "{held, number} van {target, plural, one {# week} other {# weken}}",
  "units.of.periods.month": "{held, number} van {target, plural, one {# maand} other {# maanden}}",
  "units.of.periods.quarter": "{held, number} van {target, plural, one {# kwartaal} other {# kwartalen}}",
  "units.of.streak.week": "{held, number} van {target, plural, one {# week} other {# weken achter elkaar}}",
  "units.of.streak.month":
    "{held, number} van {target, plural, one {# maand} other {# maanden achter elkaar}}",
  "units.of.streak.quarter":
    "{held, number} van {target, plural, one {# kwartaal} other {# kwartalen achter elkaar}}",
  "units.enough": "{target, plural, one {# is} other {# zijn}} genoeg",
  "units.more-than": "meer dan {target, number, exact} zijn nodig",

  "step.nth":
    "de {units, selectordinal, =1 {eerste} =2 {tweede} =3 {derde} =4 {vierde} =5 {vijfde} =6 {zesde} other {#e}} levert {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",
  "step.more":
    "nog {more, plural, one {# levert} other {# leveren}} {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",
  "step.at":
    "{units, plural, one {# levert} other {# leveren}} {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",
  "step.at-percent":
    "{units, number, exact} % levert {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",
  "step.more-than":
    "meer dan {units, number, exact} leveren {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",
  "step.more-than-percent":
    "meer dan {units, number, exact} % levert {gain, plural, one {# punt} other {# punten}}{again, select, yes { meer} other {}} op",

  "note.gates": "Geen punten tot {titles} {count, plural, one {is} other {zijn}} gehaald.",
  "note.category":
    "“{category}” geeft in totaal {cap, plural, one {# punt} other {# punten}}: {over, plural, =0 {die zijn gehaald} one {# punt meer telt hier niet mee} other {# punten meer tellen hier niet mee}}.",
  "note.matures.day": "Telt pas {amount, plural, one {# dag} other {# dagen}} nadat het is gebeurd.",
  "note.matures.week": "Telt pas {amount, plural, one {# week} other {# weken}} nadat het is gebeurd.",
  "note.maturing":
    "{count, plural, one {# bewijsstuk is nog niet oud genoeg en telt} other {# bewijsstukken zijn nog niet oud genoeg; het eerste telt}} vanaf {from, date, long}.",
  "note.unconfirmed":
    "{points, plural, =0 {Een deel van het bewijs is} one {# punt is} other {# punten zijn}} niet bevestigd sinds {since, date, weekday}.",

  "history.partner": "{name}: {points, plural, one {# punt} other {# punten}}",
  "history.before": "Ervoor: {points, plural, one {# punt} other {# punten}}",
  "history.none": "In deze tijd is niets veranderd.",
  "cause.rules":
    "{change, select, added {Versie {version} van het programma, van kracht sinds {from, date, instant}, heeft dit onderdeel} removed {Versie {version} van het programma, van kracht sinds {from, date, instant}, heeft dit onderdeel niet meer} changed {Versie {version} van het programma, van kracht sinds {from, date, instant}, heeft een andere regel voor dit onderdeel} other {Versie {version} van het programma, van kracht sinds {from, date, instant}}} (gepubliceerd door {by})",
  "cause.time": "De tijd verstreek",
  "cause.calendar":
    "De kalender ging verder: {held, number, exact} waar het er {before, number, exact} waren",
  "cause.evidence":
    "Het bewijs veranderde{runs, select, none {} other { ({count, plural, one {run} other {runs}} {runs})}}",
  "cause.appeared": "verscheen",
  "cause.returned": "kwam terug",
  "cause.changed": "veranderde: {fields}",
  "cause.vanished": "weg",
  "cause.identified": "kreeg zijn partner door een identiteit",
  "cause.unidentified": "verloor zijn partner: niemand is onder zijn identiteit bekend",
  "cause.merged-in": "kwam van {partner}",
  "cause.merged-out": "ging naar {partner}",
  "cause.began": "begon",
  "cause.entered": "kwam in het venster",
  "cause.matured": "nu oud genoeg",
  "cause.ended": "eindigde",
  "cause.left": "viel uit het venster",
  "cause.became-before": "ging naar het venster ervoor",
  "cause.adjustment.made": "Correctie {id} door {by}: {reason}",
  "cause.adjustment.continued": "Correctie {id} door {by}, die met een andere partner meekwam: {reason}",
  "cause.adjustment.ended": "Correctie {id} door {by} eindigde: {reason}",
  "cause.adjustment.revoked": "Correctie {id} door {by} is ingetrokken door {revokedBy}: {reason}",
  "cause.adjustment.moved": "Correctie {id} door {by} ging naar een andere partner: {reason}",
  "cause.delta": "{delta} daarvan",
  "cause.repair": "De opgeslagen punten klopten niet met het bewijs, en zijn rechtgezet",
  "cause.none":
    "Niets wat is opgeslagen verklaart het (gemarkeerd door: {mark}{run, select, none {} other {, run {run}}})",
  "cause.partly":
    "Wat is opgeslagen verklaart {delta} ervan; voor de rest is niets gevonden (gemarkeerd door: {mark})",
  "forecast.heading": "{name}: nu {total} punten; tot {until}, als er niets nieuws gebeurt:",
  "forecast.calendar": "{name}: punten die vervallen",
  "forecast.none": "Tot {until} verandert de tijd niets aan de punten.",
  "forecast.lost": "{points, plural, one {# punt} other {# punten}} minder: {title}",
  "forecast.gained": "{points, plural, one {# punt} other {# punten}} erbij: {title}",
  "forecast.total": "dan {total}",
  "forecast.more": "en nog {more}",
  "forecast.ended": "Niet meer geldig: {what}",
  "forecast.left": "Buiten de periode: {what}",
  "forecast.began": "Telt vanaf nu mee: {what}",
  "forecast.period": "Een periode is voorbij, en een reeks telt tot het einde daarvan.",
  "forecast.rules": "Een andere prestatie verandert, en een voorwaarde of een categorie hangt daarvan af.",
  "forecast.programme": "Een andere versie van het programma gaat in.",
  "forecast.adjustment": "De correctie loopt af.",
  "win.none": "Geen enkele stap levert nu punten op.",
  "win.brings": "{points, plural, one {# punt} other {# punten}} erbij: samen {total}",
  "win.brings-rank": "{points, plural, one {# punt} other {# punten}} erbij: samen {total}, plaats {rank}",
  "win.pieces": "nog {pieces}: {kind}",
  "win.quantity": "nog {quantity}: {kind}",
  "win.reading": "een meting van {quantity}: {kind}",
  "win.anew": "{pieces, plural, one {met een andere {attribute}} other {elk met een andere {attribute}}}",
  "win.not-before": "vanaf {at}",
  "win.counts-from": "telt vanaf {at}",
  "win.opens": "waarvan {points}: {title}",
  "win.blocked.gate": "eerst nodig: {titles}",
  "win.blocked.category": "de categorie geeft al alles wat ze kan geven",
  "win.blocked.window": "wat vanaf nu gebeurt, telt niet meer mee",
  "win.blocked.values": "alles wat de regel noemt, is er al",
  "win.blocked.before": "er is nog niets om van te groeien",
  "win.blocked.far": "te ver weg voor één stap",
  "win.blocked.programme": "er gaan andere regels in voordat het zou tellen",
  "win.blocked.others": "het zou elders evenveel kosten",
};
